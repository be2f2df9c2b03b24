/* Sees when the path of a served folder leads to another folder than before. */
#pragma once

struct guardian;

/** Begins to look whether the paths of served folders lead to other ones than before. */
void folders_watch(struct guardian *g);
