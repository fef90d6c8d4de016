/* What the Morello data-processing instructions do to values: one pure function a mnemonic, no registers.
 *
 * cn, cm, xm are the operands as the assembly names them. NZCV results are four bits, N is bit 3. An
 * immediate form uses the register form's function where the two differ only in the operand:
 *   SCBNDS #imm      capop_scbndse (the immediate form sets exact bounds)
 *   ADD/SUB #imm     capop_add, capop_sub
 *   BICFLGS #imm8 …  capop_bicflgs(cn, imm8 << 56)
 *   ADR              cap_add on PCC;  CPY, CSEL: plain copies
 */
#ifndef CVMDBG_CAPABILITY_OPS_H
#define CVMDBG_CAPABILITY_OPS_H

#include "capability.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { NZCV_N = 8, NZCV_Z = 4, NZCV_C = 2, NZCV_V = 1 };

struct cap_nzcv {
    struct cap cap;
    unsigned nzcv;
};

struct value_nzcv {
    uint64_t value;
    unsigned nzcv;
};

/* Value and offset. */
struct cap capop_add(struct cap cn, uint64_t xm);
struct cap capop_sub(struct cap cn, uint64_t imm);
struct cap capop_scvalue(struct cap cn, uint64_t xm);
struct cap capop_scoff(struct cap cn, uint64_t xm);
struct cap capop_cpyvalue(struct cap cn, struct cap cm);
struct cap capop_alignd(struct cap cn, unsigned bits); /* bits 0..63 */
struct cap capop_alignu(struct cap cn, unsigned bits);
struct cap capop_adrp(struct cap base, uint64_t imm); /* ADRP, ADRDP in C64: base is PCC, DDC or C28 */

/* Bounds. */
struct cap capop_scbnds(struct cap cn, uint64_t xm);
struct cap capop_scbndse(struct cap cn, uint64_t xm);
uint64_t capop_rrlen(uint64_t xn);
uint64_t capop_rrmask(uint64_t xn);

/* Permissions, tag, flags. */
struct cap capop_clrperm(struct cap cn, uint64_t xm);
struct cap capop_clrperm_imm(struct cap cn, unsigned perm); /* bit 0 execute, 1 store, 2 load */
struct cap capop_clrtag(struct cap cn);
struct cap capop_sctag(struct cap cn, uint64_t xm,
                       bool may_set); /* may_set: System access, setting not disabled */
struct cap capop_scflgs(struct cap cn, uint64_t xm);
struct cap capop_bicflgs(struct cap cn, uint64_t mask);
struct cap capop_eorflgs(struct cap cn, uint64_t mask);
struct cap capop_orrflgs(struct cap cn, uint64_t mask);

/* Seals and types. */
struct cap capop_seal_imm(struct cap cn, unsigned form); /* 1 RB, 2 LPB, 3 LB; form 0 is undefined */
struct cap capop_seal(struct cap cn, struct cap cm);
struct cap capop_unseal(struct cap cn, struct cap cm);
struct cap_nzcv capop_cseal(struct cap cn, struct cap cm);
struct cap capop_build(struct cap cn, struct cap cm);
struct cap capop_cpytype(struct cap cn, struct cap cm);

/* Tests. */
unsigned capop_chkeq(struct cap cn, struct cap cm);
unsigned capop_chkss(struct cap cn, struct cap cm);
struct cap_nzcv capop_chkssu(struct cap cn, struct cap cm);
unsigned capop_chksld(struct cap cn);
unsigned capop_chktgd(struct cap cn);
struct value_nzcv capop_subs(struct cap cn, struct cap cm);

/* Fields to a general register. */
uint64_t capop_gcbase(struct cap cn);
uint64_t capop_gcflgs(struct cap cn);
uint64_t capop_gclen(struct cap cn);
uint64_t capop_gclim(struct cap cn);
uint64_t capop_gcoff(struct cap cn);
uint64_t capop_gcperm(struct cap cn);
uint64_t capop_gcseal(struct cap cn);
uint64_t capop_gctag(struct cap cn);
uint64_t capop_gctype(struct cap cn);
uint64_t capop_gcvalue(struct cap cn);

/* Halves, and conversion between capabilities and pointers relative to one. base_offset: CCTLR.DDCBO, for
 * the PCC forms CCTLR.PCCBO. */
uint64_t capop_cfhi(struct cap cn);
struct cap capop_cthi(struct cap cn, uint64_t xm);
struct value_nzcv capop_cvt_to_pointer(struct cap cn, struct cap base,
                                       bool base_offset);              /* CVT, CVTD, CVTP Xd */
struct cap capop_cvt(struct cap base, uint64_t xn, bool base_offset);  /* CVT, CVTD, CVTP Cd */
struct cap capop_cvtz(struct cap base, uint64_t xn, bool base_offset); /* CVTZ, CVTDZ, CVTPZ Cd */

/* Sealed pairs: the checks of BLRS, BRS and RETS Cn,Cm and of LDPBLR's kin, in the specification's order. */
enum cap_pair_check {
    CAP_PAIR_OK,
    CAP_PAIR_TARGET_NOT_EXECUTIVE, /* outside Restricted a target without Executive loses its tag first */
    CAP_PAIR_TARGET_TAG,
    CAP_PAIR_DATA_TAG,
    CAP_PAIR_TARGET_UNSEALED,
    CAP_PAIR_DATA_UNSEALED,
    CAP_PAIR_TYPE_RESERVED, /* not above CAP_MAX_FIXED_SEAL_TYPE */
    CAP_PAIR_TYPES_DIFFER,
    CAP_PAIR_TARGET_NO_BRANCH_SEALED_PAIR,
    CAP_PAIR_DATA_NO_BRANCH_SEALED_PAIR,
    CAP_PAIR_TARGET_NOT_EXECUTABLE,
    CAP_PAIR_DATA_EXECUTABLE,
};
enum cap_pair_check cap_pair_check(struct cap target, struct cap data, bool restricted);

#ifdef __cplusplus
}
#endif

#endif
