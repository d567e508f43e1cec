// SPDX-License-Identifier: GPL-2.0
/*
 * C helpers of kapi/modules.rs: inline functions and macros, for which bindgen creates no
 * bindings. Contexts and contracts are stated with the Rust functions that call them.
 */

__rust_ipvs_helper bool rust_ipvs_helper_module_has_name(struct module *module, const char *name)
{
	return !strcmp(module_name(module), name);
}

__rust_ipvs_helper int rust_ipvs_helper_register_module_notifier(struct notifier_block *block)
{
	return register_module_notifier(block);
}

__rust_ipvs_helper void rust_ipvs_helper_unregister_module_notifier(struct notifier_block *block)
{
	unregister_module_notifier(block);
}

__rust_ipvs_helper int rust_ipvs_helper_notifier_from_errno(int err)
{
	return notifier_from_errno(err);
}
