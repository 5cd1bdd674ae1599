//! Applications, environments and their metadata.
