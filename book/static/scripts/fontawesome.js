// The theme's file of this name draws icons in 1.5 MB of script; this book's icons come from its font instead.
