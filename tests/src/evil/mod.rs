//! Networks and servers that misbehave on purpose.
