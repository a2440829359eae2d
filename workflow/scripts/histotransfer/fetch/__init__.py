"""What is downloaded: Zenodo archives, slides and labels of the GDC."""
