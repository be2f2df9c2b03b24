/* XML bodies, read by libxml2 without entities, network and external files: the text of all
 * elements as one, and each attribute's value. */
#include <libxml/parser.h>
#include <libxml/xmlreader.h>

#include "base/buffer.h"
#include "protect/waf/transaction.h"

enum { DEPTH_MAX = 256, NODES_MAX = 100000 };

static void ignore_error(void *context, const char *message, xmlParserSeverities severity,
                         xmlTextReaderLocatorPtr locator)
{
}

static void take_attributes(struct waf_transaction *t, xmlTextReaderPtr reader)
{
    while (xmlTextReaderMoveToNextAttribute(reader) == 1) {
        const char *value = (const char *)xmlTextReaderConstValue(reader);
        if (value)
            waf_add(t, &t->xml, SPAN("@"), waf_copy(t, span_str(value)));
    }
    xmlTextReaderMoveToElement(reader);
}

/** @return 0, or the reason why it ended */
static const char *read_nodes(struct waf_transaction *t, xmlTextReaderPtr reader,
                              struct buffer *text)
{
    unsigned nodes = 0;
    int r;

    while ((r = xmlTextReaderRead(reader)) == 1) {
        int kind = xmlTextReaderNodeType(reader);
        const char *value = (const char *)xmlTextReaderConstValue(reader);
        if (++nodes > NODES_MAX || xmlTextReaderDepth(reader) > DEPTH_MAX)
            return "the XML is too deep or has too many nodes";
        if (kind == XML_READER_TYPE_DOCUMENT_TYPE)
            continue;
        if (kind == XML_READER_TYPE_ELEMENT && xmlTextReaderHasAttributes(reader))
            take_attributes(t, reader);
        bool words = kind == XML_READER_TYPE_TEXT || kind == XML_READER_TYPE_CDATA ||
                     kind == XML_READER_TYPE_SIGNIFICANT_WHITESPACE;
        if (words && value && buffer_add(text, span_str(value)) < 0)
            return "the XML has too much text";
    }
    return r < 0 ? "the XML is malformed" : NULL;
}

void waf_read_xml(struct waf_transaction *t, struct span body)
{
    const int options = XML_PARSE_NONET;
    struct buffer text = buffer_make(body.len + 1);

    xmlTextReaderPtr reader = xmlReaderForMemory(body.ptr, (int)body.len, NULL, NULL, options);
    if (!reader) {
        waf_body_error(t, "the XML cannot be read");
        return;
    }
    xmlTextReaderSetErrorHandler(reader, ignore_error, NULL);
    const char *why = read_nodes(t, reader, &text);
    if (why)
        waf_body_error(t, why);
    waf_add(t, &t->xml, SPAN("text"), waf_copy(t, buffer_span(&text)));
    buffer_finish(&text);
    xmlFreeTextReader(reader);
}
