"""Articulated hands, posed at random and rendered: images with exact labels and no download."""
