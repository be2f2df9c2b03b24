/* `gardien protect explain`. */
#pragma once

struct arguments;

/** @return an enum app_exit, or APP_FAILED when the request is refused */
int explain_run(const struct arguments *arguments);
