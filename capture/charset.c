#include "capture/charset.h"

#include <string.h>
#include <strings.h>

#include "capture/catalog.h"

/* Made from information_schema of MySQL 5.6, 5.7, 9.7 and MariaDB 10.11; the older versions have subsets of it. */
static const struct charset charset_table[] = {
    {"armscii8", 1, "armscii8_general_ci"}, {"ascii", 1, "ascii_general_ci"}, {"big5", 2, "big5_chinese_ci"},
    {"binary", 1, "binary"}, {"cp1250", 1, "cp1250_general_ci"}, {"cp1251", 1, "cp1251_general_ci"},
    {"cp1256", 1, "cp1256_general_ci"}, {"cp1257", 1, "cp1257_general_ci"}, {"cp850", 1, "cp850_general_ci"},
    {"cp852", 1, "cp852_general_ci"}, {"cp866", 1, "cp866_general_ci"}, {"cp932", 2, "cp932_japanese_ci"},
    {"dec8", 1, "dec8_swedish_ci"}, {"eucjpms", 3, "eucjpms_japanese_ci"}, {"euckr", 2, "euckr_korean_ci"},
    {"gb18030", 4, "gb18030_chinese_ci"}, {"gb2312", 2, "gb2312_chinese_ci"}, {"gbk", 2, "gbk_chinese_ci"},
    {"geostd8", 1, "geostd8_general_ci"}, {"greek", 1, "greek_general_ci"}, {"hebrew", 1, "hebrew_general_ci"},
    {"hp8", 1, "hp8_english_ci"}, {"keybcs2", 1, "keybcs2_general_ci"}, {"koi8r", 1, "koi8r_general_ci"},
    {"koi8u", 1, "koi8u_general_ci"}, {"latin1", 1, "latin1_swedish_ci"}, {"latin2", 1, "latin2_general_ci"},
    {"latin5", 1, "latin5_turkish_ci"}, {"latin7", 1, "latin7_general_ci"}, {"macce", 1, "macce_general_ci"},
    {"macroman", 1, "macroman_general_ci"}, {"sjis", 2, "sjis_japanese_ci"}, {"swe7", 1, "swe7_swedish_ci"},
    {"tis620", 1, "tis620_thai_ci"}, {"ucs2", 2, "ucs2_general_ci"}, {"ujis", 3, "ujis_japanese_ci"},
    {"utf16", 4, "utf16_general_ci"}, {"utf16le", 4, "utf16le_general_ci"}, {"utf32", 4, "utf32_general_ci"},
    {"utf8mb3", 3, "utf8mb3_general_ci"}, {"utf8mb4", 4, "utf8mb4_general_ci"},
};

enum { BOTH, MYSQL, MARIADB };

struct collation_row {
    uint16_t id;
    uint8_t scope;
    const char *name, *old_name; /* of utf8mb3, while it was called utf8 */
};
#define UTF8(id, scope, rest) {id, scope, "utf8mb3_" rest, "utf8_" rest}

/* MariaDB 10.10: the same list for each Unicode character set. */
#define ROW(id, charset, rest) {id, MARIADB, charset "_uca1400_" rest, NULL}
#define UCA1400(base, charset) \
    ROW(base + 0, charset, "ai_ci"), ROW(base + 1, charset, "ai_cs"), ROW(base + 2, charset, "as_ci"),                \
    ROW(base + 3, charset, "as_cs"), ROW(base + 4, charset, "nopad_ai_ci"), ROW(base + 5, charset, "nopad_ai_cs"),    \
    ROW(base + 6, charset, "nopad_as_ci"), ROW(base + 7, charset, "nopad_as_cs"),                                     \
    ROW(base + 8, charset, "icelandic_ai_ci"), ROW(base + 9, charset, "icelandic_ai_cs"),                             \
    ROW(base + 10, charset, "icelandic_as_ci"), ROW(base + 11, charset, "icelandic_as_cs"),                           \
    ROW(base + 12, charset, "icelandic_nopad_ai_ci"), ROW(base + 13, charset, "icelandic_nopad_ai_cs"),               \
    ROW(base + 14, charset, "icelandic_nopad_as_ci"), ROW(base + 15, charset, "icelandic_nopad_as_cs"),               \
    ROW(base + 16, charset, "latvian_ai_ci"), ROW(base + 17, charset, "latvian_ai_cs"),                               \
    ROW(base + 18, charset, "latvian_as_ci"), ROW(base + 19, charset, "latvian_as_cs"),                               \
    ROW(base + 20, charset, "latvian_nopad_ai_ci"), ROW(base + 21, charset, "latvian_nopad_ai_cs"),                   \
    ROW(base + 22, charset, "latvian_nopad_as_ci"), ROW(base + 23, charset, "latvian_nopad_as_cs"),                   \
    ROW(base + 24, charset, "romanian_ai_ci"), ROW(base + 25, charset, "romanian_ai_cs"),                             \
    ROW(base + 26, charset, "romanian_as_ci"), ROW(base + 27, charset, "romanian_as_cs"),                             \
    ROW(base + 28, charset, "romanian_nopad_ai_ci"), ROW(base + 29, charset, "romanian_nopad_ai_cs"),                 \
    ROW(base + 30, charset, "romanian_nopad_as_ci"), ROW(base + 31, charset, "romanian_nopad_as_cs"),                 \
    ROW(base + 32, charset, "slovenian_ai_ci"), ROW(base + 33, charset, "slovenian_ai_cs"),                           \
    ROW(base + 34, charset, "slovenian_as_ci"), ROW(base + 35, charset, "slovenian_as_cs"),                           \
    ROW(base + 36, charset, "slovenian_nopad_ai_ci"), ROW(base + 37, charset, "slovenian_nopad_ai_cs"),               \
    ROW(base + 38, charset, "slovenian_nopad_as_ci"), ROW(base + 39, charset, "slovenian_nopad_as_cs"),               \
    ROW(base + 40, charset, "polish_ai_ci"), ROW(base + 41, charset, "polish_ai_cs"),                                 \
    ROW(base + 42, charset, "polish_as_ci"), ROW(base + 43, charset, "polish_as_cs"),                                 \
    ROW(base + 44, charset, "polish_nopad_ai_ci"), ROW(base + 45, charset, "polish_nopad_ai_cs"),                     \
    ROW(base + 46, charset, "polish_nopad_as_ci"), ROW(base + 47, charset, "polish_nopad_as_cs"),                     \
    ROW(base + 48, charset, "estonian_ai_ci"), ROW(base + 49, charset, "estonian_ai_cs"),                             \
    ROW(base + 50, charset, "estonian_as_ci"), ROW(base + 51, charset, "estonian_as_cs"),                             \
    ROW(base + 52, charset, "estonian_nopad_ai_ci"), ROW(base + 53, charset, "estonian_nopad_ai_cs"),                 \
    ROW(base + 54, charset, "estonian_nopad_as_ci"), ROW(base + 55, charset, "estonian_nopad_as_cs"),                 \
    ROW(base + 56, charset, "spanish_ai_ci"), ROW(base + 57, charset, "spanish_ai_cs"),                               \
    ROW(base + 58, charset, "spanish_as_ci"), ROW(base + 59, charset, "spanish_as_cs"),                               \
    ROW(base + 60, charset, "spanish_nopad_ai_ci"), ROW(base + 61, charset, "spanish_nopad_ai_cs"),                   \
    ROW(base + 62, charset, "spanish_nopad_as_ci"), ROW(base + 63, charset, "spanish_nopad_as_cs"),                   \
    ROW(base + 64, charset, "swedish_ai_ci"), ROW(base + 65, charset, "swedish_ai_cs"),                               \
    ROW(base + 66, charset, "swedish_as_ci"), ROW(base + 67, charset, "swedish_as_cs"),                               \
    ROW(base + 68, charset, "swedish_nopad_ai_ci"), ROW(base + 69, charset, "swedish_nopad_ai_cs"),                   \
    ROW(base + 70, charset, "swedish_nopad_as_ci"), ROW(base + 71, charset, "swedish_nopad_as_cs"),                   \
    ROW(base + 72, charset, "turkish_ai_ci"), ROW(base + 73, charset, "turkish_ai_cs"),                               \
    ROW(base + 74, charset, "turkish_as_ci"), ROW(base + 75, charset, "turkish_as_cs"),                               \
    ROW(base + 76, charset, "turkish_nopad_ai_ci"), ROW(base + 77, charset, "turkish_nopad_ai_cs"),                   \
    ROW(base + 78, charset, "turkish_nopad_as_ci"), ROW(base + 79, charset, "turkish_nopad_as_cs"),                   \
    ROW(base + 80, charset, "czech_ai_ci"), ROW(base + 81, charset, "czech_ai_cs"),                                   \
    ROW(base + 82, charset, "czech_as_ci"), ROW(base + 83, charset, "czech_as_cs"),                                   \
    ROW(base + 84, charset, "czech_nopad_ai_ci"), ROW(base + 85, charset, "czech_nopad_ai_cs"),                       \
    ROW(base + 86, charset, "czech_nopad_as_ci"), ROW(base + 87, charset, "czech_nopad_as_cs"),                       \
    ROW(base + 88, charset, "danish_ai_ci"), ROW(base + 89, charset, "danish_ai_cs"),                                 \
    ROW(base + 90, charset, "danish_as_ci"), ROW(base + 91, charset, "danish_as_cs"),                                 \
    ROW(base + 92, charset, "danish_nopad_ai_ci"), ROW(base + 93, charset, "danish_nopad_ai_cs"),                     \
    ROW(base + 94, charset, "danish_nopad_as_ci"), ROW(base + 95, charset, "danish_nopad_as_cs"),                     \
    ROW(base + 96, charset, "lithuanian_ai_ci"), ROW(base + 97, charset, "lithuanian_ai_cs"),                         \
    ROW(base + 98, charset, "lithuanian_as_ci"), ROW(base + 99, charset, "lithuanian_as_cs"),                         \
    ROW(base + 100, charset, "lithuanian_nopad_ai_ci"), ROW(base + 101, charset, "lithuanian_nopad_ai_cs"),           \
    ROW(base + 102, charset, "lithuanian_nopad_as_ci"), ROW(base + 103, charset, "lithuanian_nopad_as_cs"),           \
    ROW(base + 104, charset, "slovak_ai_ci"), ROW(base + 105, charset, "slovak_ai_cs"),                               \
    ROW(base + 106, charset, "slovak_as_ci"), ROW(base + 107, charset, "slovak_as_cs"),                               \
    ROW(base + 108, charset, "slovak_nopad_ai_ci"), ROW(base + 109, charset, "slovak_nopad_ai_cs"),                   \
    ROW(base + 110, charset, "slovak_nopad_as_ci"), ROW(base + 111, charset, "slovak_nopad_as_cs"),                   \
    ROW(base + 112, charset, "spanish2_ai_ci"), ROW(base + 113, charset, "spanish2_ai_cs"),                           \
    ROW(base + 114, charset, "spanish2_as_ci"), ROW(base + 115, charset, "spanish2_as_cs"),                           \
    ROW(base + 116, charset, "spanish2_nopad_ai_ci"), ROW(base + 117, charset, "spanish2_nopad_ai_cs"),               \
    ROW(base + 118, charset, "spanish2_nopad_as_ci"), ROW(base + 119, charset, "spanish2_nopad_as_cs"),               \
    ROW(base + 120, charset, "roman_ai_ci"), ROW(base + 121, charset, "roman_ai_cs"),                                 \
    ROW(base + 122, charset, "roman_as_ci"), ROW(base + 123, charset, "roman_as_cs"),                                 \
    ROW(base + 124, charset, "roman_nopad_ai_ci"), ROW(base + 125, charset, "roman_nopad_ai_cs"),                     \
    ROW(base + 126, charset, "roman_nopad_as_ci"), ROW(base + 127, charset, "roman_nopad_as_cs"),                     \
    ROW(base + 128, charset, "persian_ai_ci"), ROW(base + 129, charset, "persian_ai_cs"),                             \
    ROW(base + 130, charset, "persian_as_ci"), ROW(base + 131, charset, "persian_as_cs"),                             \
    ROW(base + 132, charset, "persian_nopad_ai_ci"), ROW(base + 133, charset, "persian_nopad_ai_cs"),                 \
    ROW(base + 134, charset, "persian_nopad_as_ci"), ROW(base + 135, charset, "persian_nopad_as_cs"),                 \
    ROW(base + 136, charset, "esperanto_ai_ci"), ROW(base + 137, charset, "esperanto_ai_cs"),                         \
    ROW(base + 138, charset, "esperanto_as_ci"), ROW(base + 139, charset, "esperanto_as_cs"),                         \
    ROW(base + 140, charset, "esperanto_nopad_ai_ci"), ROW(base + 141, charset, "esperanto_nopad_ai_cs"),             \
    ROW(base + 142, charset, "esperanto_nopad_as_ci"), ROW(base + 143, charset, "esperanto_nopad_as_cs"),             \
    ROW(base + 144, charset, "hungarian_ai_ci"), ROW(base + 145, charset, "hungarian_ai_cs"),                         \
    ROW(base + 146, charset, "hungarian_as_ci"), ROW(base + 147, charset, "hungarian_as_cs"),                         \
    ROW(base + 148, charset, "hungarian_nopad_ai_ci"), ROW(base + 149, charset, "hungarian_nopad_ai_cs"),             \
    ROW(base + 150, charset, "hungarian_nopad_as_ci"), ROW(base + 151, charset, "hungarian_nopad_as_cs"),             \
    ROW(base + 152, charset, "sinhala_ai_ci"), ROW(base + 153, charset, "sinhala_ai_cs"),                             \
    ROW(base + 154, charset, "sinhala_as_ci"), ROW(base + 155, charset, "sinhala_as_cs"),                             \
    ROW(base + 156, charset, "sinhala_nopad_ai_ci"), ROW(base + 157, charset, "sinhala_nopad_ai_cs"),                 \
    ROW(base + 158, charset, "sinhala_nopad_as_ci"), ROW(base + 159, charset, "sinhala_nopad_as_cs"),                 \
    ROW(base + 160, charset, "german2_ai_ci"), ROW(base + 161, charset, "german2_ai_cs"),                             \
    ROW(base + 162, charset, "german2_as_ci"), ROW(base + 163, charset, "german2_as_cs"),                             \
    ROW(base + 164, charset, "german2_nopad_ai_ci"), ROW(base + 165, charset, "german2_nopad_ai_cs"),                 \
    ROW(base + 166, charset, "german2_nopad_as_ci"), ROW(base + 167, charset, "german2_nopad_as_cs"),                 \
    ROW(base + 184, charset, "vietnamese_ai_ci"), ROW(base + 185, charset, "vietnamese_ai_cs"),                       \
    ROW(base + 186, charset, "vietnamese_as_ci"), ROW(base + 187, charset, "vietnamese_as_cs"),                       \
    ROW(base + 188, charset, "vietnamese_nopad_ai_ci"), ROW(base + 189, charset, "vietnamese_nopad_ai_cs"),           \
    ROW(base + 190, charset, "vietnamese_nopad_as_ci"), ROW(base + 191, charset, "vietnamese_nopad_as_cs"),           \
    ROW(base + 192, charset, "croatian_ai_ci"), ROW(base + 193, charset, "croatian_ai_cs"),                           \
    ROW(base + 194, charset, "croatian_as_ci"), ROW(base + 195, charset, "croatian_as_cs"),                           \
    ROW(base + 196, charset, "croatian_nopad_ai_ci"), ROW(base + 197, charset, "croatian_nopad_ai_cs"),               \
    ROW(base + 198, charset, "croatian_nopad_as_ci"), ROW(base + 199, charset, "croatian_nopad_as_cs")

/* Sorted by id. */
static const struct collation_row collation_table[] = {
    {1, BOTH, "big5_chinese_ci", NULL}, {2, BOTH, "latin2_czech_cs", NULL}, {3, BOTH, "dec8_swedish_ci", NULL},
    {4, BOTH, "cp850_general_ci", NULL}, {5, BOTH, "latin1_german1_ci", NULL}, {6, BOTH, "hp8_english_ci", NULL},
    {7, BOTH, "koi8r_general_ci", NULL}, {8, BOTH, "latin1_swedish_ci", NULL}, {9, BOTH, "latin2_general_ci", NULL},
    {10, BOTH, "swe7_swedish_ci", NULL}, {11, BOTH, "ascii_general_ci", NULL}, {12, BOTH, "ujis_japanese_ci", NULL},
    {13, BOTH, "sjis_japanese_ci", NULL}, {14, BOTH, "cp1251_bulgarian_ci", NULL},
    {15, BOTH, "latin1_danish_ci", NULL}, {16, BOTH, "hebrew_general_ci", NULL}, {18, BOTH, "tis620_thai_ci", NULL},
    {19, BOTH, "euckr_korean_ci", NULL}, {20, BOTH, "latin7_estonian_cs", NULL},
    {21, BOTH, "latin2_hungarian_ci", NULL}, {22, BOTH, "koi8u_general_ci", NULL},
    {23, BOTH, "cp1251_ukrainian_ci", NULL}, {24, BOTH, "gb2312_chinese_ci", NULL},
    {25, BOTH, "greek_general_ci", NULL}, {26, BOTH, "cp1250_general_ci", NULL},
    {27, BOTH, "latin2_croatian_ci", NULL}, {28, BOTH, "gbk_chinese_ci", NULL},
    {29, BOTH, "cp1257_lithuanian_ci", NULL}, {30, BOTH, "latin5_turkish_ci", NULL},
    {31, BOTH, "latin1_german2_ci", NULL}, {32, BOTH, "armscii8_general_ci", NULL}, UTF8(33, BOTH, "general_ci"),
    {34, BOTH, "cp1250_czech_cs", NULL}, {35, BOTH, "ucs2_general_ci", NULL}, {36, BOTH, "cp866_general_ci", NULL},
    {37, BOTH, "keybcs2_general_ci", NULL}, {38, BOTH, "macce_general_ci", NULL},
    {39, BOTH, "macroman_general_ci", NULL}, {40, BOTH, "cp852_general_ci", NULL},
    {41, BOTH, "latin7_general_ci", NULL}, {42, BOTH, "latin7_general_cs", NULL}, {43, BOTH, "macce_bin", NULL},
    {44, BOTH, "cp1250_croatian_ci", NULL}, {45, BOTH, "utf8mb4_general_ci", NULL}, {46, BOTH, "utf8mb4_bin", NULL},
    {47, BOTH, "latin1_bin", NULL}, {48, BOTH, "latin1_general_ci", NULL}, {49, BOTH, "latin1_general_cs", NULL},
    {50, BOTH, "cp1251_bin", NULL}, {51, BOTH, "cp1251_general_ci", NULL}, {52, BOTH, "cp1251_general_cs", NULL},
    {53, BOTH, "macroman_bin", NULL}, {54, BOTH, "utf16_general_ci", NULL}, {55, BOTH, "utf16_bin", NULL},
    {56, BOTH, "utf16le_general_ci", NULL}, {57, BOTH, "cp1256_general_ci", NULL}, {58, BOTH, "cp1257_bin", NULL},
    {59, BOTH, "cp1257_general_ci", NULL}, {60, BOTH, "utf32_general_ci", NULL}, {61, BOTH, "utf32_bin", NULL},
    {62, BOTH, "utf16le_bin", NULL}, {63, BOTH, "binary", NULL}, {64, BOTH, "armscii8_bin", NULL},
    {65, BOTH, "ascii_bin", NULL}, {66, BOTH, "cp1250_bin", NULL}, {67, BOTH, "cp1256_bin", NULL},
    {68, BOTH, "cp866_bin", NULL}, {69, BOTH, "dec8_bin", NULL}, {70, BOTH, "greek_bin", NULL},
    {71, BOTH, "hebrew_bin", NULL}, {72, BOTH, "hp8_bin", NULL}, {73, BOTH, "keybcs2_bin", NULL},
    {74, BOTH, "koi8r_bin", NULL}, {75, BOTH, "koi8u_bin", NULL}, UTF8(76, MYSQL, "tolower_ci"),
    {77, BOTH, "latin2_bin", NULL}, {78, BOTH, "latin5_bin", NULL}, {79, BOTH, "latin7_bin", NULL},
    {80, BOTH, "cp850_bin", NULL}, {81, BOTH, "cp852_bin", NULL}, {82, BOTH, "swe7_bin", NULL},
    UTF8(83, BOTH, "bin"), {84, BOTH, "big5_bin", NULL}, {85, BOTH, "euckr_bin", NULL},
    {86, BOTH, "gb2312_bin", NULL}, {87, BOTH, "gbk_bin", NULL}, {88, BOTH, "sjis_bin", NULL},
    {89, BOTH, "tis620_bin", NULL}, {90, BOTH, "ucs2_bin", NULL}, {91, BOTH, "ujis_bin", NULL},
    {92, BOTH, "geostd8_general_ci", NULL}, {93, BOTH, "geostd8_bin", NULL}, {94, BOTH, "latin1_spanish_ci", NULL},
    {95, BOTH, "cp932_japanese_ci", NULL}, {96, BOTH, "cp932_bin", NULL}, {97, BOTH, "eucjpms_japanese_ci", NULL},
    {98, BOTH, "eucjpms_bin", NULL}, {99, BOTH, "cp1250_polish_ci", NULL}, {101, BOTH, "utf16_unicode_ci", NULL},
    {102, BOTH, "utf16_icelandic_ci", NULL}, {103, BOTH, "utf16_latvian_ci", NULL},
    {104, BOTH, "utf16_romanian_ci", NULL}, {105, BOTH, "utf16_slovenian_ci", NULL},
    {106, BOTH, "utf16_polish_ci", NULL}, {107, BOTH, "utf16_estonian_ci", NULL},
    {108, BOTH, "utf16_spanish_ci", NULL}, {109, BOTH, "utf16_swedish_ci", NULL},
    {110, BOTH, "utf16_turkish_ci", NULL}, {111, BOTH, "utf16_czech_ci", NULL}, {112, BOTH, "utf16_danish_ci", NULL},
    {113, BOTH, "utf16_lithuanian_ci", NULL}, {114, BOTH, "utf16_slovak_ci", NULL},
    {115, BOTH, "utf16_spanish2_ci", NULL}, {116, BOTH, "utf16_roman_ci", NULL},
    {117, BOTH, "utf16_persian_ci", NULL}, {118, BOTH, "utf16_esperanto_ci", NULL},
    {119, BOTH, "utf16_hungarian_ci", NULL}, {120, BOTH, "utf16_sinhala_ci", NULL},
    {121, BOTH, "utf16_german2_ci", NULL}, {122, MYSQL, "utf16_croatian_ci", NULL},
    {122, MARIADB, "utf16_croatian_mysql561_ci", NULL}, {123, BOTH, "utf16_unicode_520_ci", NULL},
    {124, BOTH, "utf16_vietnamese_ci", NULL}, {128, BOTH, "ucs2_unicode_ci", NULL},
    {129, BOTH, "ucs2_icelandic_ci", NULL}, {130, BOTH, "ucs2_latvian_ci", NULL},
    {131, BOTH, "ucs2_romanian_ci", NULL}, {132, BOTH, "ucs2_slovenian_ci", NULL},
    {133, BOTH, "ucs2_polish_ci", NULL}, {134, BOTH, "ucs2_estonian_ci", NULL}, {135, BOTH, "ucs2_spanish_ci", NULL},
    {136, BOTH, "ucs2_swedish_ci", NULL}, {137, BOTH, "ucs2_turkish_ci", NULL}, {138, BOTH, "ucs2_czech_ci", NULL},
    {139, BOTH, "ucs2_danish_ci", NULL}, {140, BOTH, "ucs2_lithuanian_ci", NULL},
    {141, BOTH, "ucs2_slovak_ci", NULL}, {142, BOTH, "ucs2_spanish2_ci", NULL}, {143, BOTH, "ucs2_roman_ci", NULL},
    {144, BOTH, "ucs2_persian_ci", NULL}, {145, BOTH, "ucs2_esperanto_ci", NULL},
    {146, BOTH, "ucs2_hungarian_ci", NULL}, {147, BOTH, "ucs2_sinhala_ci", NULL},
    {148, BOTH, "ucs2_german2_ci", NULL}, {149, MYSQL, "ucs2_croatian_ci", NULL},
    {149, MARIADB, "ucs2_croatian_mysql561_ci", NULL}, {150, BOTH, "ucs2_unicode_520_ci", NULL},
    {151, BOTH, "ucs2_vietnamese_ci", NULL}, {159, BOTH, "ucs2_general_mysql500_ci", NULL},
    {160, BOTH, "utf32_unicode_ci", NULL}, {161, BOTH, "utf32_icelandic_ci", NULL},
    {162, BOTH, "utf32_latvian_ci", NULL}, {163, BOTH, "utf32_romanian_ci", NULL},
    {164, BOTH, "utf32_slovenian_ci", NULL}, {165, BOTH, "utf32_polish_ci", NULL},
    {166, BOTH, "utf32_estonian_ci", NULL}, {167, BOTH, "utf32_spanish_ci", NULL},
    {168, BOTH, "utf32_swedish_ci", NULL}, {169, BOTH, "utf32_turkish_ci", NULL},
    {170, BOTH, "utf32_czech_ci", NULL}, {171, BOTH, "utf32_danish_ci", NULL},
    {172, BOTH, "utf32_lithuanian_ci", NULL}, {173, BOTH, "utf32_slovak_ci", NULL},
    {174, BOTH, "utf32_spanish2_ci", NULL}, {175, BOTH, "utf32_roman_ci", NULL},
    {176, BOTH, "utf32_persian_ci", NULL}, {177, BOTH, "utf32_esperanto_ci", NULL},
    {178, BOTH, "utf32_hungarian_ci", NULL}, {179, BOTH, "utf32_sinhala_ci", NULL},
    {180, BOTH, "utf32_german2_ci", NULL}, {181, MYSQL, "utf32_croatian_ci", NULL},
    {181, MARIADB, "utf32_croatian_mysql561_ci", NULL}, {182, BOTH, "utf32_unicode_520_ci", NULL},
    {183, BOTH, "utf32_vietnamese_ci", NULL}, UTF8(192, BOTH, "unicode_ci"), UTF8(193, BOTH, "icelandic_ci"),
    UTF8(194, BOTH, "latvian_ci"), UTF8(195, BOTH, "romanian_ci"), UTF8(196, BOTH, "slovenian_ci"),
    UTF8(197, BOTH, "polish_ci"), UTF8(198, BOTH, "estonian_ci"), UTF8(199, BOTH, "spanish_ci"),
    UTF8(200, BOTH, "swedish_ci"), UTF8(201, BOTH, "turkish_ci"), UTF8(202, BOTH, "czech_ci"),
    UTF8(203, BOTH, "danish_ci"), UTF8(204, BOTH, "lithuanian_ci"), UTF8(205, BOTH, "slovak_ci"),
    UTF8(206, BOTH, "spanish2_ci"), UTF8(207, BOTH, "roman_ci"), UTF8(208, BOTH, "persian_ci"),
    UTF8(209, BOTH, "esperanto_ci"), UTF8(210, BOTH, "hungarian_ci"), UTF8(211, BOTH, "sinhala_ci"),
    UTF8(212, BOTH, "german2_ci"), UTF8(213, MYSQL, "croatian_ci"), UTF8(213, MARIADB, "croatian_mysql561_ci"),
    UTF8(214, BOTH, "unicode_520_ci"), UTF8(215, BOTH, "vietnamese_ci"), UTF8(223, BOTH, "general_mysql500_ci"),
    {224, BOTH, "utf8mb4_unicode_ci", NULL}, {225, BOTH, "utf8mb4_icelandic_ci", NULL},
    {226, BOTH, "utf8mb4_latvian_ci", NULL}, {227, BOTH, "utf8mb4_romanian_ci", NULL},
    {228, BOTH, "utf8mb4_slovenian_ci", NULL}, {229, BOTH, "utf8mb4_polish_ci", NULL},
    {230, BOTH, "utf8mb4_estonian_ci", NULL}, {231, BOTH, "utf8mb4_spanish_ci", NULL},
    {232, BOTH, "utf8mb4_swedish_ci", NULL}, {233, BOTH, "utf8mb4_turkish_ci", NULL},
    {234, BOTH, "utf8mb4_czech_ci", NULL}, {235, BOTH, "utf8mb4_danish_ci", NULL},
    {236, BOTH, "utf8mb4_lithuanian_ci", NULL}, {237, BOTH, "utf8mb4_slovak_ci", NULL},
    {238, BOTH, "utf8mb4_spanish2_ci", NULL}, {239, BOTH, "utf8mb4_roman_ci", NULL},
    {240, BOTH, "utf8mb4_persian_ci", NULL}, {241, BOTH, "utf8mb4_esperanto_ci", NULL},
    {242, BOTH, "utf8mb4_hungarian_ci", NULL}, {243, BOTH, "utf8mb4_sinhala_ci", NULL},
    {244, BOTH, "utf8mb4_german2_ci", NULL}, {245, MYSQL, "utf8mb4_croatian_ci", NULL},
    {245, MARIADB, "utf8mb4_croatian_mysql561_ci", NULL}, {246, BOTH, "utf8mb4_unicode_520_ci", NULL},
    {247, BOTH, "utf8mb4_vietnamese_ci", NULL}, {248, MYSQL, "gb18030_chinese_ci", NULL},
    {249, MYSQL, "gb18030_bin", NULL}, {250, MYSQL, "gb18030_unicode_520_ci", NULL},
    {255, MYSQL, "utf8mb4_0900_ai_ci", NULL}, {256, MYSQL, "utf8mb4_de_pb_0900_ai_ci", NULL},
    {257, MYSQL, "utf8mb4_is_0900_ai_ci", NULL}, {258, MYSQL, "utf8mb4_lv_0900_ai_ci", NULL},
    {259, MYSQL, "utf8mb4_ro_0900_ai_ci", NULL}, {260, MYSQL, "utf8mb4_sl_0900_ai_ci", NULL},
    {261, MYSQL, "utf8mb4_pl_0900_ai_ci", NULL}, {262, MYSQL, "utf8mb4_et_0900_ai_ci", NULL},
    {263, MYSQL, "utf8mb4_es_0900_ai_ci", NULL}, {264, MYSQL, "utf8mb4_sv_0900_ai_ci", NULL},
    {265, MYSQL, "utf8mb4_tr_0900_ai_ci", NULL}, {266, MYSQL, "utf8mb4_cs_0900_ai_ci", NULL},
    {267, MYSQL, "utf8mb4_da_0900_ai_ci", NULL}, {268, MYSQL, "utf8mb4_lt_0900_ai_ci", NULL},
    {269, MYSQL, "utf8mb4_sk_0900_ai_ci", NULL}, {270, MYSQL, "utf8mb4_es_trad_0900_ai_ci", NULL},
    {271, MYSQL, "utf8mb4_la_0900_ai_ci", NULL}, {273, MYSQL, "utf8mb4_eo_0900_ai_ci", NULL},
    {274, MYSQL, "utf8mb4_hu_0900_ai_ci", NULL}, {275, MYSQL, "utf8mb4_hr_0900_ai_ci", NULL},
    {277, MYSQL, "utf8mb4_vi_0900_ai_ci", NULL}, {278, MYSQL, "utf8mb4_0900_as_cs", NULL},
    {279, MYSQL, "utf8mb4_de_pb_0900_as_cs", NULL}, {280, MYSQL, "utf8mb4_is_0900_as_cs", NULL},
    {281, MYSQL, "utf8mb4_lv_0900_as_cs", NULL}, {282, MYSQL, "utf8mb4_ro_0900_as_cs", NULL},
    {283, MYSQL, "utf8mb4_sl_0900_as_cs", NULL}, {284, MYSQL, "utf8mb4_pl_0900_as_cs", NULL},
    {285, MYSQL, "utf8mb4_et_0900_as_cs", NULL}, {286, MYSQL, "utf8mb4_es_0900_as_cs", NULL},
    {287, MYSQL, "utf8mb4_sv_0900_as_cs", NULL}, {288, MYSQL, "utf8mb4_tr_0900_as_cs", NULL},
    {289, MYSQL, "utf8mb4_cs_0900_as_cs", NULL}, {290, MYSQL, "utf8mb4_da_0900_as_cs", NULL},
    {291, MYSQL, "utf8mb4_lt_0900_as_cs", NULL}, {292, MYSQL, "utf8mb4_sk_0900_as_cs", NULL},
    {293, MYSQL, "utf8mb4_es_trad_0900_as_cs", NULL}, {294, MYSQL, "utf8mb4_la_0900_as_cs", NULL},
    {296, MYSQL, "utf8mb4_eo_0900_as_cs", NULL}, {297, MYSQL, "utf8mb4_hu_0900_as_cs", NULL},
    {298, MYSQL, "utf8mb4_hr_0900_as_cs", NULL}, {300, MYSQL, "utf8mb4_vi_0900_as_cs", NULL},
    {303, MYSQL, "utf8mb4_ja_0900_as_cs", NULL}, {304, MYSQL, "utf8mb4_ja_0900_as_cs_ks", NULL},
    {305, MYSQL, "utf8mb4_0900_as_ci", NULL}, {306, MYSQL, "utf8mb4_ru_0900_ai_ci", NULL},
    {307, MYSQL, "utf8mb4_ru_0900_as_cs", NULL}, {308, MYSQL, "utf8mb4_zh_0900_as_cs", NULL},
    {309, MYSQL, "utf8mb4_0900_bin", NULL}, {310, MYSQL, "utf8mb4_nb_0900_ai_ci", NULL},
    {311, MYSQL, "utf8mb4_nb_0900_as_cs", NULL}, {312, MYSQL, "utf8mb4_nn_0900_ai_ci", NULL},
    {313, MYSQL, "utf8mb4_nn_0900_as_cs", NULL}, {314, MYSQL, "utf8mb4_sr_latn_0900_ai_ci", NULL},
    {315, MYSQL, "utf8mb4_sr_latn_0900_as_cs", NULL}, {316, MYSQL, "utf8mb4_bs_0900_ai_ci", NULL},
    {317, MYSQL, "utf8mb4_bs_0900_as_cs", NULL}, {318, MYSQL, "utf8mb4_bg_0900_ai_ci", NULL},
    {319, MYSQL, "utf8mb4_bg_0900_as_cs", NULL}, {320, MYSQL, "utf8mb4_gl_0900_ai_ci", NULL},
    {321, MYSQL, "utf8mb4_gl_0900_as_cs", NULL}, {322, MYSQL, "utf8mb4_mn_cyrl_0900_ai_ci", NULL},
    {323, MYSQL, "utf8mb4_mn_cyrl_0900_as_cs", NULL}, UTF8(576, MARIADB, "croatian_ci"),
    UTF8(577, MARIADB, "myanmar_ci"), UTF8(578, MARIADB, "thai_520_w2"), {608, MARIADB, "utf8mb4_croatian_ci", NULL},
    {609, MARIADB, "utf8mb4_myanmar_ci", NULL}, {610, MARIADB, "utf8mb4_thai_520_w2", NULL},
    {640, MARIADB, "ucs2_croatian_ci", NULL}, {641, MARIADB, "ucs2_myanmar_ci", NULL},
    {642, MARIADB, "ucs2_thai_520_w2", NULL}, {672, MARIADB, "utf16_croatian_ci", NULL},
    {673, MARIADB, "utf16_myanmar_ci", NULL}, {674, MARIADB, "utf16_thai_520_w2", NULL},
    {736, MARIADB, "utf32_croatian_ci", NULL}, {737, MARIADB, "utf32_myanmar_ci", NULL},
    {738, MARIADB, "utf32_thai_520_w2", NULL}, {1025, MARIADB, "big5_chinese_nopad_ci", NULL},
    {1027, MARIADB, "dec8_swedish_nopad_ci", NULL}, {1028, MARIADB, "cp850_general_nopad_ci", NULL},
    {1030, MARIADB, "hp8_english_nopad_ci", NULL}, {1031, MARIADB, "koi8r_general_nopad_ci", NULL},
    {1032, MARIADB, "latin1_swedish_nopad_ci", NULL}, {1033, MARIADB, "latin2_general_nopad_ci", NULL},
    {1034, MARIADB, "swe7_swedish_nopad_ci", NULL}, {1035, MARIADB, "ascii_general_nopad_ci", NULL},
    {1036, MARIADB, "ujis_japanese_nopad_ci", NULL}, {1037, MARIADB, "sjis_japanese_nopad_ci", NULL},
    {1040, MARIADB, "hebrew_general_nopad_ci", NULL}, {1042, MARIADB, "tis620_thai_nopad_ci", NULL},
    {1043, MARIADB, "euckr_korean_nopad_ci", NULL}, {1046, MARIADB, "koi8u_general_nopad_ci", NULL},
    {1048, MARIADB, "gb2312_chinese_nopad_ci", NULL}, {1049, MARIADB, "greek_general_nopad_ci", NULL},
    {1050, MARIADB, "cp1250_general_nopad_ci", NULL}, {1052, MARIADB, "gbk_chinese_nopad_ci", NULL},
    {1054, MARIADB, "latin5_turkish_nopad_ci", NULL}, {1056, MARIADB, "armscii8_general_nopad_ci", NULL},
    UTF8(1057, MARIADB, "general_nopad_ci"), {1059, MARIADB, "ucs2_general_nopad_ci", NULL},
    {1060, MARIADB, "cp866_general_nopad_ci", NULL}, {1061, MARIADB, "keybcs2_general_nopad_ci", NULL},
    {1062, MARIADB, "macce_general_nopad_ci", NULL}, {1063, MARIADB, "macroman_general_nopad_ci", NULL},
    {1064, MARIADB, "cp852_general_nopad_ci", NULL}, {1065, MARIADB, "latin7_general_nopad_ci", NULL},
    {1067, MARIADB, "macce_nopad_bin", NULL}, {1069, MARIADB, "utf8mb4_general_nopad_ci", NULL},
    {1070, MARIADB, "utf8mb4_nopad_bin", NULL}, {1071, MARIADB, "latin1_nopad_bin", NULL},
    {1074, MARIADB, "cp1251_nopad_bin", NULL}, {1075, MARIADB, "cp1251_general_nopad_ci", NULL},
    {1077, MARIADB, "macroman_nopad_bin", NULL}, {1078, MARIADB, "utf16_general_nopad_ci", NULL},
    {1079, MARIADB, "utf16_nopad_bin", NULL}, {1080, MARIADB, "utf16le_general_nopad_ci", NULL},
    {1081, MARIADB, "cp1256_general_nopad_ci", NULL}, {1082, MARIADB, "cp1257_nopad_bin", NULL},
    {1083, MARIADB, "cp1257_general_nopad_ci", NULL}, {1084, MARIADB, "utf32_general_nopad_ci", NULL},
    {1085, MARIADB, "utf32_nopad_bin", NULL}, {1086, MARIADB, "utf16le_nopad_bin", NULL},
    {1088, MARIADB, "armscii8_nopad_bin", NULL}, {1089, MARIADB, "ascii_nopad_bin", NULL},
    {1090, MARIADB, "cp1250_nopad_bin", NULL}, {1091, MARIADB, "cp1256_nopad_bin", NULL},
    {1092, MARIADB, "cp866_nopad_bin", NULL}, {1093, MARIADB, "dec8_nopad_bin", NULL},
    {1094, MARIADB, "greek_nopad_bin", NULL}, {1095, MARIADB, "hebrew_nopad_bin", NULL},
    {1096, MARIADB, "hp8_nopad_bin", NULL}, {1097, MARIADB, "keybcs2_nopad_bin", NULL},
    {1098, MARIADB, "koi8r_nopad_bin", NULL}, {1099, MARIADB, "koi8u_nopad_bin", NULL},
    {1101, MARIADB, "latin2_nopad_bin", NULL}, {1102, MARIADB, "latin5_nopad_bin", NULL},
    {1103, MARIADB, "latin7_nopad_bin", NULL}, {1104, MARIADB, "cp850_nopad_bin", NULL},
    {1105, MARIADB, "cp852_nopad_bin", NULL}, {1106, MARIADB, "swe7_nopad_bin", NULL},
    UTF8(1107, MARIADB, "nopad_bin"), {1108, MARIADB, "big5_nopad_bin", NULL},
    {1109, MARIADB, "euckr_nopad_bin", NULL}, {1110, MARIADB, "gb2312_nopad_bin", NULL},
    {1111, MARIADB, "gbk_nopad_bin", NULL}, {1112, MARIADB, "sjis_nopad_bin", NULL},
    {1113, MARIADB, "tis620_nopad_bin", NULL}, {1114, MARIADB, "ucs2_nopad_bin", NULL},
    {1115, MARIADB, "ujis_nopad_bin", NULL}, {1116, MARIADB, "geostd8_general_nopad_ci", NULL},
    {1117, MARIADB, "geostd8_nopad_bin", NULL}, {1119, MARIADB, "cp932_japanese_nopad_ci", NULL},
    {1120, MARIADB, "cp932_nopad_bin", NULL}, {1121, MARIADB, "eucjpms_japanese_nopad_ci", NULL},
    {1122, MARIADB, "eucjpms_nopad_bin", NULL}, {1125, MARIADB, "utf16_unicode_nopad_ci", NULL},
    {1147, MARIADB, "utf16_unicode_520_nopad_ci", NULL}, {1152, MARIADB, "ucs2_unicode_nopad_ci", NULL},
    {1174, MARIADB, "ucs2_unicode_520_nopad_ci", NULL}, {1184, MARIADB, "utf32_unicode_nopad_ci", NULL},
    {1206, MARIADB, "utf32_unicode_520_nopad_ci", NULL}, UTF8(1216, MARIADB, "unicode_nopad_ci"),
    UTF8(1238, MARIADB, "unicode_520_nopad_ci"), {1248, MARIADB, "utf8mb4_unicode_nopad_ci", NULL},
    {1270, MARIADB, "utf8mb4_unicode_520_nopad_ci", NULL},
    UCA1400(2048, "utf8mb3"),
    UCA1400(2304, "utf8mb4"),
    UCA1400(2560, "ucs2"),
    UCA1400(2816, "utf16"),
    UCA1400(3072, "utf32"),
};

enum {
    CHARSETS = sizeof charset_table / sizeof *charset_table,
    ROWS = sizeof collation_table / sizeof *collation_table
};

/* MySQL shows utf8 as utf8mb3 since 8.0.28 and its collations so since 8.0.30, MariaDB both since 10.6. */
static bool shows_utf8mb3(const struct catalog_server *s, uint32_t since)
{
    return s->version >= (s->is_mariadb ? 100601 : since);
}

const struct charset *charset_find(const char *name, size_t bytes)
{
    if (bytes == 4 && strncasecmp(name, "utf8", 4) == 0) return charset_find("utf8mb3", 7);
    for (size_t i = 0; i < CHARSETS; i++) {
        const struct charset *cs = &charset_table[i];
        if (strlen(cs->name) == bytes && strncasecmp(cs->name, name, bytes) == 0) return cs;
    }
    return NULL;
}

const char *charset_shown(const struct charset *cs, const struct catalog_server *server)
{
    return strcmp(cs->name, "utf8mb3") == 0 && !shows_utf8mb3(server, 80028) ? "utf8" : cs->name;
}

static void show(struct collation *out, const struct catalog_server *server, const struct collation_row *r)
{
    const char *end = strchr(r->name, '_');
    bool is_old = r->old_name != NULL && !shows_utf8mb3(server, 80030);
    size_t bytes = end == NULL ? strlen(r->name) : (size_t)(end - r->name);
    *out = (struct collation){r->id, is_old ? r->old_name : r->name, charset_find(r->name, bytes)};
}

static bool is_of(const struct collation_row *r, const struct catalog_server *server)
{
    return r->scope == BOTH || (r->scope == MARIADB) == server->is_mariadb;
}

bool collation_find(struct collation *out, const struct catalog_server *server, const char *name, size_t bytes)
{
    for (size_t i = 0; i < ROWS; i++) {
        const struct collation_row *r = &collation_table[i];
        bool is_name = strlen(r->name) == bytes && strncasecmp(r->name, name, bytes) == 0;
        if (!is_name && r->old_name != NULL)
            is_name = strlen(r->old_name) == bytes && strncasecmp(r->old_name, name, bytes) == 0;
        if (!is_name || !is_of(r, server)) continue;
        show(out, server, r);
        return true;
    }
    return false;
}

bool collation_by_id(struct collation *out, const struct catalog_server *server, uint32_t id)
{
    size_t low = 0, high = ROWS;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (collation_table[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < ROWS && collation_table[low].id == id; low++) {
        if (!is_of(&collation_table[low], server)) continue;
        show(out, server, &collation_table[low]);
        return true;
    }
    return false;
}

bool collation_standard(struct collation *out, const struct catalog_server *server, const struct charset *cs)
{
    const char *name = cs->standard;
    if (!server->is_mariadb && server->version >= 80001 && strcmp(cs->name, "utf8mb4") == 0)
        name = "utf8mb4_0900_ai_ci";
    return collation_find(out, server, name, strlen(name));
}

bool collation_binary(struct collation *out, const struct catalog_server *server, const struct charset *cs)
{
    char name[32];
    size_t bytes = strlen(cs->name);
    if (strcmp(cs->name, "binary") == 0) return collation_find(out, server, "binary", 6);
    memcpy(name, cs->name, bytes);
    memcpy(name + bytes, "_bin", 4);
    return collation_find(out, server, name, bytes + 4);
}
