//! Request, plan, journal, status: how a release reaches production.
