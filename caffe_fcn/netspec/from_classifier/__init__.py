"""Any image classifier as an FCN."""
