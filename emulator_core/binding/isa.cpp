// The instruction rows.
#include "isa.h"

#include "bind.h"
#include "values.h"

void bind_isa(nb::module_ &m) {
    m.attr("ISA_DIGEST") = ISA_DIGEST;
    m.def("isa_row", &isa_row, "word"_a, "c64"_a);
    m.def(
        "clause_name", [](uint32_t clause) { return isa_clause_name[clause < CLAUSE_COUNT ? clause : 0]; },
        "clause"_a);
    m.def("isa_clause", [](uint32_t word) { return isa_clause_name[isa_clause(word)]; }, "word"_a);
}
