# SPDX-License-Identifier: MIT
# Writes OUT, a C++ source with the bytes of PAGE, STYLE, SCRIPT and CHART behind the functions of report_assets.h.
set(text "// Made by embed.cmake.\n#include \"evaluation/report_assets.h\"\n\nnamespace medaug::report_assets {\n")
foreach(name page style script chart)
  string(TOUPPER ${name} variable)
  file(READ ${${variable}} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(REPLACE "0x0a," "0x0a,
" bytes "${bytes}")
  string(APPEND text "\nstatic constexpr unsigned char k_${name}[] = {\n${bytes}};\n"
    "std::string_view ${name}() { return {reinterpret_cast<const char*>(k_${name}), sizeof k_${name}}; }\n")
endforeach()
file(WRITE "${OUT}" "${text}\n}  // namespace medaug::report_assets\n")
