"""The commands of ``aegis``, a module each."""
