"""Read, verify and load weights files, of handpose and of other projects."""
