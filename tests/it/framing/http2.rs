//! Malformed and hostile exchanges of HTTP/2, frame by frame.
