"""Images, videos and cameras in, videos out. Used by every command that takes a user's media."""
