// SPDX-License-Identifier: MIT
#include "evaluation/texts.h"

#include <algorithm>

namespace medaug {
namespace {

constexpr Text kTexts[] = {
    {"title", "EVALUATION SUMMARY", "评估摘要"},
    {"page.title", "Evaluation of generated images", "生成图像评估报告"},
    {"page.skip", "Skip to the content", "跳到正文"},
    {"page.contents", "Contents", "目录"},
    {"page.language", "Language", "语言"},
    {"page.theme", "Colours", "配色"},
    {"page.theme.auto", "as the system", "跟随系统"},
    {"page.theme.light", "light", "浅色"},
    {"page.theme.dark", "dark", "深色"},
    {"page.no_script",
     "Without JavaScript the tables below are complete; charts, the table of single images and the "
     "other language need it. The CSV file holds the same numbers.",
     "未启用 JavaScript:下方的汇总表是完整的;图表、逐图像表格和语言切换需要 JavaScript。CSV "
     "文件中有同样的数值。"},
    {"page.footer",
     "Generated images are synthetic: for research only, not for clinical use. This file holds "
     "everything it shows and asks the network for nothing.",
     "生成图像均为合成图像,仅供研究,不得用于临床。本文件自包含全部内容,不访问网络。"},
    {"page.charts_by", "Charts drawn by Chart.js (MIT licence).",
     "图表由 Chart.js 绘制(MIT 许可)。"},
    {"page.filter", "Name contains", "名称包含"},
    {"page.column", "Column", "列"},
    {"page.least", "at least", "不小于"},
    {"page.most", "at most", "不大于"},
    {"page.previous", "Previous", "上一页"},
    {"page.next", "Next", "下一页"},
    {"page.shown", "Images shown", "显示的图像"},
    {"page.of", "of", "/"},
    {"page.histogram", "Histogram", "直方图"},
    {"page.images", "Number of images", "图像数量"},
    {"page.value", "Value", "数值"},
    {"page.line", "95 % interval of the mean (line)", "均值的 95% 区间(线)"},
    {"page.no_images", "No image was measured.", "没有可评估的图像。"},

    {"section.overview", "Overview", "概览"},
    {"section.image_quality", "Image quality", "图像质量指标"},
    {"section.structure", "Structure, by a colour heuristic", "结构一致性(颜色启发式)"},
    {"section.agreement", "Agreement with the masks, by a segmenter", "掩码一致性(分割网络)"},
    {"section.distribution", "Distribution", "分布距离"},
    {"section.copies", "Copies of training images", "训练图像抄袭检测"},
    {"section.experiment", "Downstream experiment", "下游实验"},
    {"section.histograms", "Distribution of each measure", "各指标的直方图"},
    {"section.worst", "Worst images", "最差的图像"},
    {"section.best", "Best images", "最好的图像"},
    {"section.suspects", "Images flagged as copies", "被标记为抄袭的图像"},
    {"section.images", "All images", "全部图像"},
    {"section.skipped", "Skipped", "跳过的图像"},
    {"section.provenance", "Provenance", "来源与复现信息"},

    {"note.image_quality",
     "These measures compare each image with one reference. They tell how closely something was "
     "rebuilt. An image that was meant to be new differs from its reference: a low value is then "
     "no "
     "fault, and a very high one hints at a copy. The bands are those customary for restored "
     "images.",
     "这些指标把每张图像与一张参考图像逐像素比较,"
     "衡量的是「重建得有多像」。本应是新图像的生成结果自然与参考不同:"
     "数值低不代表差,数值过高反而提示可能是抄袭。等级划分沿用图像复原领域的习惯。"},
    {"note.identical", "Identical pairs have no finite PSNR and are left out of its mean.",
     "完全相同的图像对没有有限的 PSNR,不计入其均值。"},
    {"note.structure",
     "A colour rule takes a colour for the lesion and knows no anatomy. Its Dice is no evidence "
     "that the lesion is where the mask asks for it; a trained segmenter is (--segmenter).",
     "颜色规则只是把某种颜色当作病灶,不懂解剖结构。它的 Dice 不能证明病灶位于掩码要求的位置;"
     "可靠的办法是训练一个分割网络(--segmenter)。"},
    {"note.agreement",
     "Read the Dice of the generated images between two others: what the same segmenter reaches on "
     "held-out real images (ceiling), and what is left when each image is held against the mask of "
     "another one (null). Above the ceiling means easier than real images, not better.",
     "生成图像的 Dice 要放在两个数之间看:同一分割网络在留出真实图像上的 "
     "Dice(上限),以及每张图像与另一张图像的掩码"
     "相比时剩下的 Dice(零假设)。高于上限说明比真实图像更容易分割,而不是更好。"},
    {"note.no_ceiling",
     "There are no real images with masks here, so there is no ceiling: the Dice of the generated "
     "images cannot be told from the weakness of the segmenter.",
     "没有带掩码的真实图像,因此没有上限:无法区分生成图像的问题与分割网络本身的不足。"},
    {"note.distribution",
     "A distance means something only beside its floor: the same distance between real images and "
     "real images. The Fréchet distance falls with the number of images; where the numbers differ, "
     "look at its extrapolation or at the kernel distance.",
     "距离只有与本底(真实图像与真实图像之间的同一距离)并列时才有意义。Fréchet "
     "距离会随图像数量增加而下降;"
     "数量不同时请看外推值或核距离。"},
    {"note.few_images", "Fewer than 100 images on one side: take these distances as rough.",
     "有一侧图像少于 100 张:这些距离只能粗略参考。"},
    {"note.copies",
     "A flag means: more like a training image than held-out real images ever are. Look at the "
     "pairs before using the images.",
     "标记的含义:比留出的真实图像更像某张训练图像。使用前请逐对查看。"},
    {"note.experiment",
     "An interval that contains 0 means that the difference is inside the noise, however large it "
     "looks.",
     "差值的区间包含 0 表示差异在噪声之内,无论看起来多大。"},
    {"note.pictures",
     "Lines around the lesion: the mask that was asked for, and what was found in the image. "
     "Difference: absolute, twice as bright.",
     "轮廓线:要求的掩码,以及在图像中找到的区域。差异图:绝对差,亮度加倍。"},

    {"band.excellent", "excellent", "优秀"},
    {"band.good", "good", "良好"},
    {"band.acceptable", "acceptable", "可接受"},
    {"band.poor", "poor", "较差"},
    {"better.higher", "higher", "越高越好"},
    {"better.lower", "lower", "越低越好"},
    {"better.one", "near 1", "接近 1"},

    {"head.measure", "Measure", "指标"},
    {"head.n", "n", "数量"},
    {"head.mean", "Mean ± std", "均值 ± 标准差"},
    {"head.median", "Median", "中位数"},
    {"head.range", "Range", "范围"},
    {"head.ci95", "95 % interval", "95% 区间"},
    {"head.band", "Band", "等级"},
    {"head.better", "Better", "优劣方向"},
    {"head.beside", "Beside it", "对照"},
    {"head.set", "Images", "图像集"},
    {"head.class", "Class", "类别"},
    {"head.size", "Size of the mask", "掩码大小"},
    {"head.arm", "Arm", "实验组"},
    {"head.reason", "Reason", "原因"},
    {"head.count", "Number", "数量"},
    {"head.examples", "For example", "例如"},
    {"head.space", "Feature space", "特征空间"},

    {"name.generated", "Generated", "生成"},
    {"name.reference", "Reference", "参考"},
    {"name.training", "Training", "训练"},
    {"name.ceiling", "Real images (ceiling)", "真实图像(上限)"},
    {"name.null", "Masks of other images (null)", "其他图像的掩码(零假设)"},
    {"name.floor", "Real against real (floor)", "真实对真实(本底)"},
    {"name.ratio", "Generated / reference", "生成 / 参考"},
    {"name.distance", "Generated against reference", "生成对参考"},
    {"name.count", "Number of images", "图像数量"},
    {"name.skipped", "Skipped", "跳过"},
    {"name.images", "images", "图像"},
    {"name.path", "path", "路径"},
    {"name.name", "Name", "名称"},
    {"name.per_class", "By class", "按类别"},
    {"name.per_size", "By size of the mask", "按掩码大小"},
    {"name.small", "small", "小"},
    {"name.medium", "medium", "中"},
    {"name.large", "large", "大"},
    {"name.area_limits", "Limits of the sizes (share of the image)", "大小分界(占图像面积)"},
    {"name.psnr", "PSNR (dB)", "PSNR(dB)"},
    {"name.ssim", "SSIM", "SSIM"},
    {"name.ms_ssim", "MS-SSIM", "MS-SSIM"},
    {"name.mae", "MAE (levels)", "MAE(灰度级)"},
    {"name.mse", "MSE (levels²)", "MSE(灰度级²)"},
    {"name.identical", "Identical pairs", "完全相同的图像对"},
    {"name.data_range", "Levels", "灰度级范围"},
    {"name.dice", "Dice", "Dice 系数"},
    {"name.mean_dice", "Dice, mean of the classes", "Dice(各类平均)"},
    {"name.iou", "IoU", "IoU(Jaccard)"},
    {"name.hd95_pixels", "95 % Hausdorff distance (pixels)", "95% Hausdorff 距离(像素)"},
    {"name.assd_pixels", "Average surface distance (pixels)", "平均表面距离(像素)"},
    {"name.hd95_mm", "95 % Hausdorff distance (mm)", "95% Hausdorff 距离(mm)"},
    {"name.assd_mm", "Average surface distance (mm)", "平均表面距离(mm)"},
    {"name.colour_dice", "Colour: Dice", "颜色:Dice"},
    {"name.colour_iou", "Colour: IoU", "颜色:IoU"},
    {"name.colour_hd95_pixels", "Colour: 95 % Hausdorff (pixels)", "颜色:95% Hausdorff(像素)"},
    {"name.colour_assd_pixels", "Colour: surface distance (pixels)", "颜色:表面距离(像素)"},
    {"name.colour_hd95_mm", "Colour: 95 % Hausdorff (mm)", "颜色:95% Hausdorff(mm)"},
    {"name.colour_assd_mm", "Colour: surface distance (mm)", "颜色:表面距离(mm)"},
    {"name.mask_share", "Mask's share of the image", "掩码占图像的比例"},
    {"name.over_ceiling", "Generated / ceiling", "生成 / 上限"},
    {"name.null_over_ceiling", "Null / ceiling", "零假设 / 上限"},
    {"name.outlines", "All classes together", "所有类别合并"},
    {"name.segmenter", "The segmenter", "所用分割网络"},
    {"name.method", "Method", "方法"},
    {"name.rule", "Rule", "规则"},
    {"name.sha256", "SHA-256", "SHA-256"},
    {"name.dimensions", "Dimensions", "维数"},
    {"name.fid", "Fréchet distance (FID)", "Fréchet 距离(FID)"},
    {"name.fid_infinity", "FID∞ (extrapolated) ± se", "FID∞(外推)± 标准误"},
    {"name.kid", "Kernel distance (KID) ± se", "核距离(KID)± 标准误"},
    {"name.precision", "Precision", "精确率(Precision)"},
    {"name.recall", "Recall", "召回率(Recall)"},
    {"name.density", "Density", "密度(Density)"},
    {"name.coverage", "Coverage", "覆盖率(Coverage)"},
    {"name.generated_images", "Generated images", "生成图像数"},
    {"name.real_images", "Real images", "真实图像数"},
    {"name.appearance", "Appearance", "外观"},
    {"name.sharpness", "Sharpness", "清晰度"},
    {"name.seam_ratio", "Patch seams", "图块接缝比"},
    {"name.spread", "Spread", "多样性(像素标准差)"},
    {"name.spectrum_distance", "Spectrum distance (decades)", "频谱距离(十倍程)"},
    {"name.histogram_distance", "Histogram distance (levels)", "直方图距离(灰度级)"},
    {"name.height", "Height", "高"},
    {"name.width", "Width", "宽"},
    {"name.channels", "Channels", "通道数"},
    {"name.resize", "Resized by", "缩放方式"},
    {"name.patch", "Patch (pixels)", "图块(像素)"},
    {"name.threshold", "Threshold", "阈值"},
    {"name.flagged", "Flagged", "被标记数"},
    {"name.share", "Share flagged", "被标记比例"},
    {"name.authpct", "AuthPct", "AuthPct(真实性百分比)"},
    {"name.copy_score", "Copy score", "抄袭分数"},
    {"name.copy_flag", "Flagged as a copy", "标记为抄袭"},
    {"name.nearest_training", "Nearest training image", "最近的训练图像"},
    {"name.arms", "Arms", "实验组"},
    {"name.accuracy", "Accuracy", "准确率"},
    {"name.balanced_accuracy", "Balanced accuracy", "平衡准确率"},
    {"name.auroc", "AUROC", "AUROC"},
    {"name.f1", "F1", "F1"},
    {"name.verdict", "Verdict", "结论"},
    {"name.difference", "Difference", "差值"},
    {"name.command", "Command", "命令"},
    {"name.version", "Version", "版本"},
    {"name.commit", "Commit", "提交"},
    {"name.seed", "Seed", "随机种子"},
    {"name.date", "Date", "日期"},
    {"name.options", "Options", "选项"},
    {"name.data_sha256", "SHA-256 of the data", "数据的 SHA-256"},
    {"name.mean", "mean", "均值"},
    {"name.std", "std", "标准差"},
    {"name.ci95", "95 % interval", "95% 区间"},
    {"name.share_ci95", "95 % interval of the share", "比例的 95% 区间"},

    {"short.generated", "generated", "生成"},
    {"short.ceiling", "ceiling", "上限"},
    {"short.null", "null", "零假设"},
    {"value.true", "yes", "是"},
    {"value.false", "no", "否"},
    {"value.colour heuristic", "colour heuristic", "颜色启发式"},
    {"value.red", "red", "红色(red)"},
    {"value.saturation", "saturation", "饱和度(saturation)"},
    {"value.brightness", "brightness", "亮度(brightness)"},
    {"value.darkness", "darkness", "暗度(darkness)"},
    {"value.training images against the reference", "training images against the reference",
     "训练图像对参考图像"},
    {"value.random halves of the reference", "random halves of the reference",
     "参考图像的随机两半"},
    {"value.bicubic, antialiased, stretched", "bicubic, antialiased, stretched",
     "双三次,抗锯齿,拉伸"},
    {"value.segmenter, deepest level", "segmenter, deepest level", "分割网络的最深层"},
    {"value.radiomics", "radiomics", "影像组学"},
    {"value.inside the noise", "inside the noise", "在噪声之内"},

    {"picture.generated", "generated", "生成图像"},
    {"picture.reference", "reference", "参考图像"},
    {"picture.mask", "mask asked for", "要求的掩码"},
    {"picture.predicted", "found by the segmenter", "分割网络找到的区域"},
    {"picture.coloured", "taken by the colour rule", "颜色规则选出的区域"},
    {"picture.difference", "difference × 2", "差异 × 2"},
    {"picture.nearest", "nearest training image", "最近的训练图像"},
};

const Text* find(std::string_view key) {
  const auto* const found = std::find_if(std::begin(kTexts), std::end(kTexts),
                                         [&](const Text& text) { return text.key == key; });
  return found == std::end(kTexts) ? nullptr : found;
}

}  // namespace

std::span<const Text> all_texts() { return kTexts; }

bool has_text(std::string_view key) { return find(key) != nullptr; }

std::string_view text_of(std::string_view key, Language language) {
  const auto* const text = find(key);
  if (text == nullptr) {
    return key;
  }
  return language == Language::kChinese ? text->zh : text->en;
}

}  // namespace medaug
