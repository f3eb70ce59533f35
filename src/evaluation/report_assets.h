// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

// The files of evaluation/report/ and Chart.js, put into the program when it is built
// (report/embed.cmake).

namespace medaug::report_assets {

std::string_view page();    ///< template.html, with {{name}} where something belongs
std::string_view style();   ///< report.css
std::string_view script();  ///< report.js
std::string_view chart();   ///< Chart.js, MIT licence; its notice stands at its head

}  // namespace medaug::report_assets
