//! Switch of an engine from overlay2 to the containerd store, and back.
