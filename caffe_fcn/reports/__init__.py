"""What people look at: a net from inside, and a run, each as a page for the browser."""
