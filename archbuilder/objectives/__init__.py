"""The tasks of the objectives: how each builds its networks and trains them.

The settings of the objectives are declared in `archbuilder.config.objectives`.
"""
