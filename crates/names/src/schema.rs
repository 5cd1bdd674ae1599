//! How the types describe themselves in the API's OpenAPI document, for crates that ask for it
//! with the `schema` feature.

/// Describes a checked text as a string.
#[cfg(feature = "schema")]
#[doc(hidden)]
#[macro_export]
macro_rules! text_schema {
    ($type:ident) => {
        impl $crate::utoipa::PartialSchema for $type {
            fn schema() -> $crate::utoipa::openapi::RefOr<$crate::utoipa::openapi::Schema> {
                $crate::utoipa::openapi::Object::with_type($crate::utoipa::openapi::Type::String)
                    .into()
            }
        }
        impl $crate::utoipa::ToSchema for $type {}
    };
}

/// Describes nothing: nobody asked.
#[cfg(not(feature = "schema"))]
#[doc(hidden)]
#[macro_export]
macro_rules! text_schema {
    ($type:ident) => {};
}
