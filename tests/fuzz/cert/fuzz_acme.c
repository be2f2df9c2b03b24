/* The JSON documents of an ACME server: the first byte picks the kind, the rest is the document. */
#include <stddef.h>
#include <stdint.h>

#include "cert/acme/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct acme_directory directory;
    struct acme_order order;
    struct acme_authorization authorization;
    struct acme_renewal_info info;
    struct acme_problem problem;

    if (size == 0)
        return 0;
    struct span text = span_of((const char *)data + 1, size - 1);
    switch ((uint8_t)(data[0] - '0') % 5) {
    case 0:
        if (acme_directory_read(text, &directory) == 0)
            acme_directory_finish(&directory);
        break;
    case 1:
        if (acme_order_read(text, &order) == 0)
            acme_order_finish(&order);
        break;
    case 2:
        if (acme_authorization_read(text, &authorization) == 0)
            acme_authorization_finish(&authorization);
        break;
    case 3:
        if (acme_renewal_info_read(text, &info) == 0)
            acme_renewal_info_finish(&info);
        break;
    default:
        acme_problem_read(text, &problem);
        acme_problem_finish(&problem);
    }
    return 0;
}
