//! What users rely on, tested from outside; each module is named for the verb it tests.

mod lock;
