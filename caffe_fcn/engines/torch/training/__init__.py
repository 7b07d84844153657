"""Trainings by the torch engine: solvers, their updates and states, and the processes that share one."""
