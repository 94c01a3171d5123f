"""What the commands do, beside `serve`."""
