/* Fields, methods, authorities, the exchange pool and the dispatch to an engine's table. */
#include "http/http.h"
