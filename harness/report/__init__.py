"""Renders results for the terminal, as HTML, JSON and Markdown; reads results and never measures."""
