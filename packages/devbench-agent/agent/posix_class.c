#include "posix_class.h"

#include <string.h>

#include "util.h"

static const struct {
    const char *name, *pairs;
} classes[] = {
    {"alnum", "09AZaz"}, {"alpha", "AZaz"},     {"blank", "  \t\t"},   {"cntrl", "\x01\x1f\x7f\x7f"},
    {"digit", "09"},     {"graph", "!~"},       {"lower", "az"},       {"print", " ~"},
    {"punct", "!/:@[`{~"}, {"space", "\t\r  "}, {"upper", "AZ"},       {"xdigit", "09AFaf"},
};

const char *posix_class(const char *name, size_t n) {
    for (size_t i = 0; i < COUNT(classes); i++)
        if (strlen(classes[i].name) == n && memcmp(classes[i].name, name, n) == 0) return classes[i].pairs;
    return NULL;
}
