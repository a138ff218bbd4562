"""Models and data that come from elsewhere: bringing the files of a URI, unpacking archives."""
