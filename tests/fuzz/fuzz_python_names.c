#include "fuzz.h"

#include "export/python_text.h"

/* Names that were read are UTF-8 texts, and written as Python writes them they read back as the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json *names, *again;
    struct str_buf text = STR_BUF(16 << 20);
    if (!python_names((struct str){(const char *)data, size}, &names))
        return 0;
    for (size_t i = 0; i < json_len(names); i++) {
        const char *name = json_string(json_at(names, i), NULL);
        PROMISE(name && str_is_utf8(str_of(name)));
        str_buf_printf(&text, "%s%zu: ", i ? ", " : "{", i);
        python_repr(str_of(name), &text);
    }
    str_buf_addc(&text, '}');
    PROMISE(text.overflow || python_names(str_buf_view(&text), &again));
    if (!text.overflow) {
        PROMISE(json_len(names) == json_len(again));
        for (size_t i = 0; i < json_len(names); i++)
            PROMISE(str_eq(str_of(json_string(json_at(names, i), "")), str_of(json_string(json_at(again, i), ""))));
        json_free(again);
    }
    str_buf_free(&text);
    json_free(names);
    return 0;
}
