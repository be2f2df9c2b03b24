/* A rule of iptables as `iptables -S` and iptables-save print it, word by word. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/** Cuts the next word off a line, without its quotes. @return false at the end */
bool iptables_next_word(const char **at, char *out, size_t size);
