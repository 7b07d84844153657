"""A net as a graph: who makes and reads each blob, shapes and costs, coordinates, and what two nets differ in."""
