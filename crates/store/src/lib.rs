//! The database: repositories as functions, migrations, transactions.
