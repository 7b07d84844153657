"""From pairs of images and labels to a data set: whole or not at all, resumed where it was interrupted."""
