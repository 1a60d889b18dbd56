/*
 * Library calls that memhist does without, made compile errors. Included in front of every
 * translation unit of memhist by the compiler's -include option (see AM_CPPFLAGS in Makefile.am).
 * They overrun, keep hidden state, or turn bad numbers into good-looking ones.
 */
#ifndef MEMHIST_BASE_BANNED_H
#define MEMHIST_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MH_BANNED(call) memhist_does_not_use_##call

#undef strcpy
#define strcpy(...) MH_BANNED(strcpy)
#undef strcat
#define strcat(...) MH_BANNED(strcat)
#undef strncpy
#define strncpy(...) MH_BANNED(strncpy)
#undef strncat
#define strncat(...) MH_BANNED(strncat)
#undef sprintf
#define sprintf(...) MH_BANNED(sprintf)
#undef vsprintf
#define vsprintf(...) MH_BANNED(vsprintf)
#undef sscanf
#define sscanf(...) MH_BANNED(sscanf)
#undef gets
#define gets(...) MH_BANNED(gets)
#undef atoi
#define atoi(...) MH_BANNED(atoi)
#undef atol
#define atol(...) MH_BANNED(atol)
#undef strtok
#define strtok(...) MH_BANNED(strtok)
#undef strerror
#define strerror(...) MH_BANNED(strerror)
#undef localtime
#define localtime(...) MH_BANNED(localtime)
#undef gmtime
#define gmtime(...) MH_BANNED(gmtime)
#undef ctime
#define ctime(...) MH_BANNED(ctime)
#undef asctime
#define asctime(...) MH_BANNED(asctime)

#endif
