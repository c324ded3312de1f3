"""A run of workers that are forked from one process, as gunicorn does it: one listening socket, one page for all."""
