from .fitting import FROM_SCRATCH, Fit, fit
from .step import Device, Observer, Step

__all__ = ["FROM_SCRATCH", "Device", "Fit", "Observer", "Step", "fit"]
