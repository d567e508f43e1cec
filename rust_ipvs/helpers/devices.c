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

__rust_ipvs_helper struct net *rust_ipvs_helper_net_of_lost_device(unsigned long event, void *info)
{
	if (event != NETDEV_DOWN && event != NETDEV_UNREGISTER)
		return NULL;
	return dev_net(netdev_notifier_info_to_dev(info));
}
