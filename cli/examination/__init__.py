"""What ``aegis doctor`` finds out, a module an area. ``cli.doctor`` goes through them."""
