/* Snapshots as bytes: whatever arrives, reading it ends with a whole snapshot or an error. */
#include <stdint.h>
#include <stdlib.h>

#include "app/ipc.h"
#include "app/snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ipc_message message;
    struct snapshot *snapshot = NULL;
    struct span bytes = span_of((const char *)data, size);

    if (snapshot_decode(bytes, &snapshot) == 0)
        snapshot_destroy(snapshot);
    if (ipc_decode(bytes, &message) == 0 && message.text_len > IPC_TEXT_MAX)
        abort();
    return 0;
}
