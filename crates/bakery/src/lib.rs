//! Recipes into images.
