"""Pictures explained by a finished run's network, a page each: `make explain IMAGES=photo.jpg RUN=faces`."""
