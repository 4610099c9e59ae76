/* Put before every C file of Python: ask for functions in the versions that older glibc has too.
 *
 * glibc 2.29 gave these mathematical functions new versions that no longer support SVID error
 * handling, which nobody here uses; fcntl64 is what 2.28 calls fcntl on 64-bit machines.
 */
__asm__(".symver exp,exp@GLIBC_2.2.5");
__asm__(".symver exp2,exp2@GLIBC_2.2.5");
__asm__(".symver log,log@GLIBC_2.2.5");
__asm__(".symver log2,log2@GLIBC_2.2.5");
__asm__(".symver pow,pow@GLIBC_2.2.5");
__asm__(".symver fcntl64,fcntl@GLIBC_2.2.5");
