// SPDX-License-Identifier: GPL-2.0
/*
 * C helpers of kapi/devices.rs: inline functions and macros, for which bindgen creates no
 * bindings. Contexts and contracts are stated with the Rust functions that call them.
 */

__rust_ipvs_helper int rust_ipvs_helper_register_netdevice_notifier(struct notifier_block *block)
{
	return register_netdevice_notifier(block);
}

__rust_ipvs_helper void rust_ipvs_helper_unregister_netdevice_notifier(struct notifier_block *block)
{
	unregister_netdevice_notifier(block);
}

__rust_ipvs_helper struct net_device *rust_ipvs_helper_device_of_event(void *info)
{
	return netdev_notifier_info_to_dev(info);
}

__rust_ipvs_helper struct net *rust_ipvs_helper_net_of_device(const struct net_device *dev)
{
	return dev_net(dev);
}

/* Returns the number of the event in kapi/devices.rs. */
__rust_ipvs_helper unsigned int rust_ipvs_helper_kind_of_event(unsigned long event)
{
	switch (event) {
	case NETDEV_REGISTER:
		return 1;
	case NETDEV_DOWN:
		return 2;
	case NETDEV_UNREGISTER:
		return 3;
	default:
		return 0;
	}
}
