"""What coordinator and workers say to one another: messages, their values, and the connections they go over."""
