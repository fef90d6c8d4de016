// What the capability instructions compute, as functions.
#include "bind.h"
#include "values.h"

#include <utility>

// Results with condition flags become pairs.
template <struct cap_nzcv (*op)(struct cap, struct cap)>
static std::pair<struct cap, unsigned> with_nzcv(struct cap cn, struct cap cm) {
    struct cap_nzcv result = op(cn, cm);
    return {result.cap, result.nzcv};
}

static std::pair<uint64_t, unsigned> subs(struct cap cn, struct cap cm) {
    struct value_nzcv result = capop_subs(cn, cm);
    return {result.value, result.nzcv};
}

static std::pair<uint64_t, unsigned> cvt_to_pointer(struct cap cn, struct cap base, bool base_offset) {
    struct value_nzcv result = capop_cvt_to_pointer(cn, base, base_offset);
    return {result.value, result.nzcv};
}

void bind_capability_instructions(nb::module_ &m) {
    m.def("capop_add", &capop_add, "cn"_a, "xm"_a);
    m.def("capop_sub", &capop_sub, "cn"_a, "imm"_a);
    m.def("capop_scvalue", &capop_scvalue, "cn"_a, "xm"_a);
    m.def("capop_scoff", &capop_scoff, "cn"_a, "xm"_a);
    m.def("capop_cpyvalue", &capop_cpyvalue, "cn"_a, "cm"_a);
    m.def("capop_alignd", &capop_alignd, "cn"_a, "bits"_a);
    m.def("capop_alignu", &capop_alignu, "cn"_a, "bits"_a);
    m.def("capop_adrp", &capop_adrp, "base"_a, "imm"_a);
    m.def("capop_scbnds", &capop_scbnds, "cn"_a, "xm"_a);
    m.def("capop_scbndse", &capop_scbndse, "cn"_a, "xm"_a);
    m.def("capop_rrlen", &capop_rrlen, "xn"_a);
    m.def("capop_rrmask", &capop_rrmask, "xn"_a);
    m.def("capop_clrperm", &capop_clrperm, "cn"_a, "xm"_a);
    m.def("capop_clrperm_imm", &capop_clrperm_imm, "cn"_a, "perm"_a);
    m.def("capop_clrtag", &capop_clrtag, "cn"_a);
    m.def("capop_sctag", &capop_sctag, "cn"_a, "xm"_a, "may_set"_a);
    m.def("capop_scflgs", &capop_scflgs, "cn"_a, "xm"_a);
    m.def("capop_bicflgs", &capop_bicflgs, "cn"_a, "mask"_a);
    m.def("capop_eorflgs", &capop_eorflgs, "cn"_a, "mask"_a);
    m.def("capop_orrflgs", &capop_orrflgs, "cn"_a, "mask"_a);
    m.def("capop_seal_imm", &capop_seal_imm, "cn"_a, "form"_a);
    m.def("capop_seal", &capop_seal, "cn"_a, "cm"_a);
    m.def("capop_unseal", &capop_unseal, "cn"_a, "cm"_a);
    m.def("capop_cseal", &with_nzcv<capop_cseal>, "cn"_a, "cm"_a);
    m.def("capop_build", &capop_build, "cn"_a, "cm"_a);
    m.def("capop_cpytype", &capop_cpytype, "cn"_a, "cm"_a);
    m.def("capop_chkeq", &capop_chkeq, "cn"_a, "cm"_a);
    m.def("capop_chkss", &capop_chkss, "cn"_a, "cm"_a);
    m.def("capop_chkssu", &with_nzcv<capop_chkssu>, "cn"_a, "cm"_a);
    m.def("capop_chksld", &capop_chksld, "cn"_a);
    m.def("capop_chktgd", &capop_chktgd, "cn"_a);
    m.def("capop_subs", &subs, "cn"_a, "cm"_a);
    m.def("capop_gcbase", &capop_gcbase, "cn"_a);
    m.def("capop_gcflgs", &capop_gcflgs, "cn"_a);
    m.def("capop_gclen", &capop_gclen, "cn"_a);
    m.def("capop_gclim", &capop_gclim, "cn"_a);
    m.def("capop_gcoff", &capop_gcoff, "cn"_a);
    m.def("capop_gcperm", &capop_gcperm, "cn"_a);
    m.def("capop_gcseal", &capop_gcseal, "cn"_a);
    m.def("capop_gctag", &capop_gctag, "cn"_a);
    m.def("capop_gctype", &capop_gctype, "cn"_a);
    m.def("capop_gcvalue", &capop_gcvalue, "cn"_a);
    m.def("capop_cfhi", &capop_cfhi, "cn"_a);
    m.def("capop_cthi", &capop_cthi, "cn"_a, "xm"_a);
    m.def("capop_cvt_to_pointer", &cvt_to_pointer, "cn"_a, "base"_a, "base_offset"_a);
    m.def("capop_cvt", &capop_cvt, "base"_a, "xn"_a, "base_offset"_a);
    m.def("capop_cvtz", &capop_cvtz, "base"_a, "xn"_a, "base_offset"_a);
    m.def(
        "cap_pair_check",
        [](struct cap target, struct cap data, bool restricted) {
            return static_cast<int>(cap_pair_check(target, data, restricted));
        },
        "target"_a, "data"_a, "restricted"_a);
}
