/* The table of media types, sorted by extension, and its search; what the settings of a folder say
 * of types and charsets stands before it. */
#include "serve/files/media_type.h"

#include "base/escape.h"

/* Sorted bytewise, as a test checks. Text without a charset of its own in the format is utf-8. */
static const struct media_type table[] = {
    {SPAN("3gp"), SPAN("video/3gpp"), false},
    {SPAN("7z"), SPAN("application/x-7z-compressed"), false},
    {SPAN("aac"), SPAN("audio/aac"), false},
    {SPAN("ai"), SPAN("application/postscript"), true},
    {SPAN("aif"), SPAN("audio/aiff"), false},
    {SPAN("aiff"), SPAN("audio/aiff"), false},
    {SPAN("apk"), SPAN("application/vnd.android.package-archive"), false},
    {SPAN("apng"), SPAN("image/apng"), false},
    {SPAN("asc"), SPAN("application/pgp-signature"), true},
    {SPAN("atom"), SPAN("application/atom+xml"), true},
    {SPAN("avi"), SPAN("video/x-msvideo"), false},
    {SPAN("avif"), SPAN("image/avif"), false},
    {SPAN("bin"), SPAN("application/octet-stream"), false},
    {SPAN("bmp"), SPAN("image/bmp"), true},
    {SPAN("br"), SPAN("application/x-brotli"), false},
    {SPAN("bz2"), SPAN("application/x-bzip2"), false},
    {SPAN("c"), SPAN("text/x-c; charset=utf-8"), true},
    {SPAN("cer"), SPAN("application/x-x509-ca-cert"), false},
    {SPAN("cjs"), SPAN("text/javascript; charset=utf-8"), true},
    {SPAN("conf"), SPAN("text/plain; charset=utf-8"), true},
    {SPAN("crl"), SPAN("application/pkix-crl"), false},
    {SPAN("crt"), SPAN("application/x-x509-ca-cert"), false},
    {SPAN("css"), SPAN("text/css; charset=utf-8"), true},
    {SPAN("csv"), SPAN("text/csv; charset=utf-8"), true},
    {SPAN("cur"), SPAN("image/x-icon"), true},
    {SPAN("deb"), SPAN("application/vnd.debian.binary-package"), false},
    {SPAN("der"), SPAN("application/x-x509-ca-cert"), false},
    {SPAN("diff"), SPAN("text/x-diff; charset=utf-8"), true},
    {SPAN("dll"), SPAN("application/vnd.microsoft.portable-executable"), false},
    {SPAN("dmg"), SPAN("application/x-apple-diskimage"), false},
    {SPAN("doc"), SPAN("application/msword"), true},
    {SPAN("docx"), SPAN("application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
     false},
    {SPAN("eot"), SPAN("application/vnd.ms-fontobject"), true},
    {SPAN("eps"), SPAN("application/postscript"), true},
    {SPAN("epub"), SPAN("application/epub+zip"), false},
    {SPAN("exe"), SPAN("application/vnd.microsoft.portable-executable"), false},
    {SPAN("flac"), SPAN("audio/flac"), false},
    {SPAN("flv"), SPAN("video/x-flv"), false},
    {SPAN("geojson"), SPAN("application/geo+json"), true},
    {SPAN("gif"), SPAN("image/gif"), false},
    {SPAN("glb"), SPAN("model/gltf-binary"), true},
    {SPAN("gltf"), SPAN("model/gltf+json"), true},
    {SPAN("gpx"), SPAN("application/gpx+xml"), true},
    {SPAN("graphql"), SPAN("application/graphql"), true},
    {SPAN("gz"), SPAN("application/gzip"), false},
    {SPAN("h"), SPAN("text/x-c; charset=utf-8"), true},
    {SPAN("har"), SPAN("application/json"), true},
    {SPAN("heic"), SPAN("image/heic"), false},
    {SPAN("heif"), SPAN("image/heif"), false},
    {SPAN("htm"), SPAN("text/html; charset=utf-8"), true},
    {SPAN("html"), SPAN("text/html; charset=utf-8"), true},
    {SPAN("ico"), SPAN("image/x-icon"), true},
    {SPAN("ics"), SPAN("text/calendar; charset=utf-8"), true},
    {SPAN("img"), SPAN("application/octet-stream"), false},
    {SPAN("ini"), SPAN("text/plain; charset=utf-8"), true},
    {SPAN("iso"), SPAN("application/x-iso9660-image"), false},
    {SPAN("jar"), SPAN("application/java-archive"), false},
    {SPAN("jfif"), SPAN("image/jpeg"), false},
    {SPAN("jpeg"), SPAN("image/jpeg"), false},
    {SPAN("jpg"), SPAN("image/jpeg"), false},
    {SPAN("js"), SPAN("text/javascript; charset=utf-8"), true},
    {SPAN("json"), SPAN("application/json"), true},
    {SPAN("json5"), SPAN("application/json5"), true},
    {SPAN("jsonld"), SPAN("application/ld+json"), true},
    {SPAN("jxl"), SPAN("image/jxl"), false},
    {SPAN("kml"), SPAN("application/vnd.google-earth.kml+xml"), true},
    {SPAN("kmz"), SPAN("application/vnd.google-earth.kmz"), false},
    {SPAN("log"), SPAN("text/plain; charset=utf-8"), true},
    {SPAN("m2ts"), SPAN("video/mp2t"), false},
    {SPAN("m3u8"), SPAN("application/vnd.apple.mpegurl"), true},
    {SPAN("m4a"), SPAN("audio/mp4"), false},
    {SPAN("m4v"), SPAN("video/mp4"), false},
    {SPAN("map"), SPAN("application/json"), true},
    {SPAN("markdown"), SPAN("text/markdown; charset=utf-8"), true},
    {SPAN("md"), SPAN("text/markdown; charset=utf-8"), true},
    {SPAN("mid"), SPAN("audio/midi"), true},
    {SPAN("midi"), SPAN("audio/midi"), true},
    {SPAN("mjs"), SPAN("text/javascript; charset=utf-8"), true},
    {SPAN("mkv"), SPAN("video/x-matroska"), false},
    {SPAN("mobi"), SPAN("application/x-mobipocket-ebook"), false},
    {SPAN("mov"), SPAN("video/quicktime"), false},
    {SPAN("mp3"), SPAN("audio/mpeg"), false},
    {SPAN("mp4"), SPAN("video/mp4"), false},
    {SPAN("mpd"), SPAN("application/dash+xml"), true},
    {SPAN("mpeg"), SPAN("video/mpeg"), false},
    {SPAN("mpg"), SPAN("video/mpeg"), false},
    {SPAN("msi"), SPAN("application/vnd.microsoft.portable-executable"), false},
    {SPAN("obj"), SPAN("model/obj"), true},
    {SPAN("odg"), SPAN("application/vnd.oasis.opendocument.graphics"), false},
    {SPAN("odp"), SPAN("application/vnd.oasis.opendocument.presentation"), false},
    {SPAN("ods"), SPAN("application/vnd.oasis.opendocument.spreadsheet"), false},
    {SPAN("odt"), SPAN("application/vnd.oasis.opendocument.text"), false},
    {SPAN("oga"), SPAN("audio/ogg"), false},
    {SPAN("ogg"), SPAN("audio/ogg"), false},
    {SPAN("ogv"), SPAN("video/ogg"), false},
    {SPAN("opus"), SPAN("audio/ogg"), false},
    {SPAN("otf"), SPAN("font/otf"), true},
    {SPAN("p12"), SPAN("application/x-pkcs12"), false},
    {SPAN("p7b"), SPAN("application/x-pkcs7-certificates"), false},
    {SPAN("patch"), SPAN("text/x-diff; charset=utf-8"), true},
    {SPAN("pdf"), SPAN("application/pdf"), false},
    {SPAN("pem"), SPAN("application/x-pem-file"), true},
    {SPAN("pfx"), SPAN("application/x-pkcs12"), false},
    {SPAN("png"), SPAN("image/png"), false},
    {SPAN("ppt"), SPAN("application/vnd.ms-powerpoint"), true},
    {SPAN("pptx"),
     SPAN("application/vnd.openxmlformats-officedocument.presentationml.presentation"), false},
    {SPAN("ps"), SPAN("application/postscript"), true},
    {SPAN("psd"), SPAN("image/vnd.adobe.photoshop"), false},
    {SPAN("py"), SPAN("text/x-python; charset=utf-8"), true},
    {SPAN("rar"), SPAN("application/vnd.rar"), false},
    {SPAN("rpm"), SPAN("application/x-rpm"), false},
    {SPAN("rss"), SPAN("application/rss+xml"), true},
    {SPAN("rtf"), SPAN("application/rtf"), true},
    {SPAN("sh"), SPAN("application/x-sh"), true},
    {SPAN("sig"), SPAN("application/pgp-signature"), true},
    {SPAN("sql"), SPAN("application/sql"), true},
    {SPAN("srt"), SPAN("application/x-subrip"), true},
    {SPAN("stl"), SPAN("model/stl"), true},
    {SPAN("svg"), SPAN("image/svg+xml"), true},
    {SPAN("swf"), SPAN("application/x-shockwave-flash"), false},
    {SPAN("tar"), SPAN("application/x-tar"), true},
    {SPAN("tex"), SPAN("application/x-tex"), true},
    {SPAN("text"), SPAN("text/plain; charset=utf-8"), true},
    {SPAN("tgz"), SPAN("application/gzip"), false},
    {SPAN("tif"), SPAN("image/tiff"), false},
    {SPAN("tiff"), SPAN("image/tiff"), false},
    {SPAN("toml"), SPAN("application/toml"), true},
    {SPAN("topojson"), SPAN("application/json"), true},
    {SPAN("torrent"), SPAN("application/x-bittorrent"), false},
    {SPAN("ts"), SPAN("video/mp2t"), false},
    {SPAN("tsv"), SPAN("text/tab-separated-values; charset=utf-8"), true},
    {SPAN("ttc"), SPAN("font/collection"), true},
    {SPAN("ttf"), SPAN("font/ttf"), true},
    {SPAN("txt"), SPAN("text/plain; charset=utf-8"), true},
    {SPAN("vcard"), SPAN("text/vcard; charset=utf-8"), true},
    {SPAN("vcf"), SPAN("text/vcard; charset=utf-8"), true},
    {SPAN("vtt"), SPAN("text/vtt; charset=utf-8"), true},
    {SPAN("wasm"), SPAN("application/wasm"), true},
    {SPAN("wav"), SPAN("audio/wav"), false},
    {SPAN("weba"), SPAN("audio/webm"), false},
    {SPAN("webm"), SPAN("video/webm"), false},
    {SPAN("webmanifest"), SPAN("application/manifest+json"), true},
    {SPAN("webp"), SPAN("image/webp"), false},
    {SPAN("wmv"), SPAN("video/x-ms-wmv"), false},
    {SPAN("woff"), SPAN("font/woff"), false},
    {SPAN("woff2"), SPAN("font/woff2"), false},
    {SPAN("xhtml"), SPAN("application/xhtml+xml; charset=utf-8"), true},
    {SPAN("xls"), SPAN("application/vnd.ms-excel"), true},
    {SPAN("xlsx"), SPAN("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
     false},
    {SPAN("xml"), SPAN("application/xml"), true},
    {SPAN("xsd"), SPAN("application/xml"), true},
    {SPAN("xsl"), SPAN("application/xml"), true},
    {SPAN("xslt"), SPAN("application/xml"), true},
    {SPAN("xz"), SPAN("application/x-xz"), false},
    {SPAN("yaml"), SPAN("application/yaml"), true},
    {SPAN("yml"), SPAN("application/yaml"), true},
    {SPAN("zip"), SPAN("application/zip"), false},
    {SPAN("zst"), SPAN("application/zstd"), false},
};

/* Names without an extension beneath /.well-known/ that are JSON by their standards (IANA's
 * registry of well-known URIs); sorted by nothing, the list is short. */
static const struct media_type well_known[] = {
    {SPAN("apple-app-site-association"), SPAN("application/json"), true},
    {SPAN("did-configuration"), SPAN("application/json"), true},
    {SPAN("matrix/client"), SPAN("application/json"), true},
    {SPAN("matrix/server"), SPAN("application/json"), true},
    {SPAN("matrix/support"), SPAN("application/json"), true},
    {SPAN("nodeinfo"), SPAN("application/json"), true},
    {SPAN("oauth-authorization-server"), SPAN("application/json"), true},
    {SPAN("oauth-protected-resource"), SPAN("application/json"), true},
    {SPAN("openid-configuration"), SPAN("application/json"), true},
    {SPAN("openid-credential-issuer"), SPAN("application/json"), true},
    {SPAN("passkey-endpoints"), SPAN("application/json"), true},
    {SPAN("smart-configuration"), SPAN("application/json"), true},
    {SPAN("uma2-configuration"), SPAN("application/json"), true},
    {SPAN("webauthn"), SPAN("application/json"), true},
    {SPAN("webfinger"), SPAN("application/jrd+json"), true},
};
static const struct span charset_utf8 = SPAN(MEDIA_TYPE_UTF8);

static const struct media_type unknown = {SPAN(""), SPAN("application/octet-stream"), false};

static int compare(struct span a, struct span b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;
    int order = memcmp(a.ptr, b.ptr, shorter);

    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static const struct media_type *find(struct span extension)
{
    size_t low = 0, high = ARRAY_SIZE(table);

    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = compare(extension, table[middle].extension);
        if (order == 0)
            return &table[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static const struct media_type *look_up_extension(struct span name)
{
    char lower[MEDIA_TYPE_EXTENSION_MAX];
    size_t len = 0;

    for (size_t i = name.len; i > 0 && name.ptr[i - 1] != '.'; i--) {
        if (len == MEDIA_TYPE_EXTENSION_MAX || i == 1 || name.ptr[i - 1] == '/')
            return NULL;
        lower[MEDIA_TYPE_EXTENSION_MAX - ++len] = ascii_lower(name.ptr[i - 1]);
    }
    return len ? find(span_of(lower + MEDIA_TYPE_EXTENSION_MAX - len, len)) : NULL;
}

static const struct media_type *look_up(struct span name)
{
    struct span path = media_type_path(name), folder = SPAN(".well-known/");

    for (size_t i = 0; span_starts(path, folder) && i < ARRAY_SIZE(well_known); i++)
        if (span_equal(span_from(path, folder.len), well_known[i].extension))
            return &well_known[i];
    return look_up_extension(name);
}

const struct media_type *media_type_of(struct span name)
{
    const struct media_type *type = look_up(name);

    return type ? type : &unknown;
}

bool media_type_known(struct span name)
{
    return look_up(name) != NULL;
}

/* Does the text end within a character? */
static bool is_cut(struct span text)
{
    unsigned char first = (unsigned char)text.ptr[0];
    size_t whole = first < 0xc2 || first > 0xf4 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    size_t at = 1;

    while (at < text.len && ((unsigned char)text.ptr[at] & 0xc0) == 0x80)
        at++;
    return at == text.len && at < whole;
}

static bool is_utf8(struct span text, bool whole)
{
    while (text.len) {
        size_t len = (unsigned char)text.ptr[0] < 0x80 ? 1 : utf8_length(text);
        if (len == 0)
            return !whole && is_cut(text);
        text = span_from(text, len);
    }
    return true;
}

bool media_type_has_charset(const struct media_type *type)
{
    return !type->as_written && span_ends(type->value, charset_utf8);
}

struct span media_type_for(const struct media_type *type, struct span beginning, bool whole)
{
    if (!media_type_has_charset(type) || is_utf8(beginning, whole))
        return type->value;
    return span_of(type->value.ptr, type->value.len - charset_utf8.len);
}

const struct media_type *media_type_table(size_t *ret_count)
{
    *ret_count = ARRAY_SIZE(table);
    return table;
}

bool media_type_compressible(struct span content_type)
{
    static const struct span types_of_text[] = {
        SPAN("application/javascript"),
        SPAN("application/json"),
        SPAN("application/xml"),
        SPAN("application/yaml"),
        SPAN("application/wasm"),
        SPAN("application/x-ndjson"),
        SPAN("application/rtf"),
        SPAN("image/x-icon"),
        SPAN("font/ttf"),
        SPAN("font/otf"),
    };
    ptrdiff_t end = span_find(content_type, ';');
    struct span type = span_trim(end < 0 ? content_type : span_of(content_type.ptr, (size_t)end));
    char lower[64];

    if (type.len > sizeof lower)
        return false;
    for (size_t i = 0; i < type.len; i++)
        lower[i] = ascii_lower(type.ptr[i]);
    type.ptr = lower;
    if (span_starts(type, SPAN("text/")))
        return !span_equal(type, SPAN("text/event-stream"));
    if (span_ends(type, SPAN("+json")) || span_ends(type, SPAN("+xml")))
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(types_of_text); i++)
        if (span_equal(type, types_of_text[i]))
            return true;
    return false;
}
