"""The checks of ``aegis doctor``, one module for each area. ``cli.doctor`` runs them in order."""
