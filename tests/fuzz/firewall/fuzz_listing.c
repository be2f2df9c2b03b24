/* Chains as nft prints them: no crash, and no rule's text goes over a line. */
#include <stdlib.h>
#include <string.h>

#include "firewall/model/listing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct listing listing;

    listing_read(span_of((const char *)data, size), &listing);
    for (size_t i = 0; i < listing.count; i++)
        if (strchr(listing.rules[i].text, '\n') || strlen(listing.rules[i].text) > size)
            abort();
    listing_finish(&listing);
    return 0;
}
