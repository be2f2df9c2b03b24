/* Inodes and first bytes of files that are not for visitors. */
#include "serve/files/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    HEAD = 64,              /* bytes that tell whether more is worth reading */
    KEY_WITHIN = 16 * 1024, /* of a file of PEM blocks: a key behind some certificates */
    LEVELS_MAX = 256,
};

static int compare(const void *a, const void *b)
{
    const struct file_number *x = a, *y = b;

    if (x->device != y->device)
        return x->device < y->device ? -1 : 1;
    return x->inode < y->inode ? -1 : x->inode > y->inode;
}

void files_guard_sort(struct files_guard *guard)
{
    if (guard->count > 1)
        qsort(guard->items, guard->count, sizeof *guard->items, compare);
}

bool files_guard_has(const struct files_guard *guard, const struct file_identity *identity)
{
    const struct file_number number = {identity->device, identity->inode};

    return guard->count &&
           bsearch(&number, guard->items, guard->count, sizeof number, compare) != NULL;
}

/* ---- first bytes ---- */

static size_t read_head(int fd, char *out, size_t room)
{
    size_t len = 0;

    while (len < room) {
        ssize_t n = pread(fd, out + len, room - len, (off_t)len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    return len;
}

/* Length and header of a DER SEQUENCE that fills the file. @return bytes of the header, or 0 */
static size_t der_header(const unsigned char *at, size_t len, int64_t size)
{
    if (len < 4 || at[0] != 0x30)
        return 0;
    if (at[1] < 0x80)
        return size == 2 + at[1] ? 2 : 0;
    if (at[1] == 0x81)
        return size == 3 + at[2] ? 3 : 0;
    return at[1] == 0x82 && size == 4 + (at[2] << 8 | at[3]) ? 4 : 0;
}

/* A version, then: an AlgorithmIdentifier (PKCS#8, RFC 5958), a modulus (PKCS#1, RFC 8017), or a
 * short OCTET STRING (EC, RFC 5915). A certificate has no version in that place. */
static bool is_der_key(struct span head, int64_t size)
{
    const unsigned char *at = (const unsigned char *)head.ptr;
    size_t begin = der_header(at, head.len, size);

    if (begin == 0 || head.len < begin + 8 || at[begin] != 2 || at[begin + 1] != 1)
        return false;
    const unsigned char *next = at + begin + 3;
    if (at[begin + 2] == 1) /* EC, or PKCS#8 with its public key */
        return (next[0] == 4 && next[1] >= 20 && next[1] <= 72) || next[0] == 0x30;
    return at[begin + 2] == 0 && ((next[0] == 0x30 && next[2] == 6) ||
                                  (next[0] == 2 && (next[1] == 0x81 || next[1] == 0x82)));
}

static struct span skip_white(struct span text)
{
    if (span_starts(text, SPAN("\xef\xbb\xbf")))
        text = span_from(text, 3);
    while (text.len && strchr(" \t\r\n", text.ptr[0]))
        text = span_from(text, 1);
    return text;
}

bool file_begins_as_key(int fd, int64_t size)
{
    char head[HEAD], more[KEY_WITHIN];
    struct span bytes = span_of(head, read_head(fd, head, sizeof head));
    struct span text = skip_white(bytes);

    if (is_der_key(bytes, size) || span_starts(text, SPAN("PuTTY-User-Key-File-")))
        return true;
    if (!span_starts(text, SPAN("-----BEGIN ")) && !span_starts(text, SPAN("Bag Attributes")))
        return false;
    return span_find_span(span_of(more, read_head(fd, more, sizeof more)), SPAN("PRIVATE KEY")) >=
           0;
}

/* ---- folders ---- */

static int open_folder(int at, const char *name)
{
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                           .resolve = RESOLVE_NO_MAGICLINKS};

    return (int)syscall(SYS_openat2, at, name, &how, sizeof how);
}

/* From an open folder up to the root, or to where a root is its own parent. Takes the folder over.
 */
static bool walks_through(int fd, const struct file_number *folder, const struct file_number *root)
{
    struct file_identity identity, before = {0};
    enum file_kind kind;
    bool found = false;

    for (int level = 0; fd >= 0 && level < LEVELS_MAX; level++) {
        if (file_identify(fd, &identity, &kind) < 0)
            break;
        found = identity.device == folder->device && identity.inode == folder->inode;
        bool top = (identity.device == root->device && identity.inode == root->inode) ||
                   (identity.device == before.device && identity.inode == before.inode);
        if (found || top)
            break;
        before = identity;
        int up = open_folder(fd, "..");
        close(fd);
        fd = up;
    }
    if (fd >= 0)
        close(fd);
    return found;
}

bool file_is_beneath(int root_fd, const struct file_path *path, const struct file_number *folder)
{
    struct file_path parent;
    struct opened_file opened;
    struct file_identity root;
    enum file_kind kind;

    memcpy(parent.text, path->text, path->len + 1);
    parent.len = path->len;
    ptrdiff_t slash = span_find_last(span_of(parent.text, parent.len), '/');
    if (slash < 0 && strcmp(parent.text, ".") != 0)
        memcpy(parent.text, ".", 2);
    else if (slash >= 0)
        parent.text[slash] = '\0';
    parent.len = strlen(parent.text);
    if (file_open(root_fd, &parent, O_PATH | O_DIRECTORY, &opened, NULL) < 0 ||
        file_identify(root_fd, &root, &kind) < 0)
        return false;
    const struct file_number top = {root.device, root.inode};
    return walks_through(opened.fd, folder, &top);
}
