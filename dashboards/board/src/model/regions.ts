/** Names of GB/T 2260 codes: the provinces, and the prefectures of provinces that were asked for so far. */

type Language = "zh" | "en";

const PROVINCES: Record<string, [zh: string, en: string]> = {
  "11": ["北京", "Beijing"],
  "12": ["天津", "Tianjin"],
  "13": ["河北", "Hebei"],
  "14": ["山西", "Shanxi"],
  "15": ["内蒙古", "Inner Mongolia"],
  "21": ["辽宁", "Liaoning"],
  "22": ["吉林", "Jilin"],
  "23": ["黑龙江", "Heilongjiang"],
  "31": ["上海", "Shanghai"],
  "32": ["江苏", "Jiangsu"],
  "33": ["浙江", "Zhejiang"],
  "34": ["安徽", "Anhui"],
  "35": ["福建", "Fujian"],
  "36": ["江西", "Jiangxi"],
  "37": ["山东", "Shandong"],
  "41": ["河南", "Henan"],
  "42": ["湖北", "Hubei"],
  "43": ["湖南", "Hunan"],
  "44": ["广东", "Guangdong"],
  "45": ["广西", "Guangxi"],
  "46": ["海南", "Hainan"],
  "50": ["重庆", "Chongqing"],
  "51": ["四川", "Sichuan"],
  "52": ["贵州", "Guizhou"],
  "53": ["云南", "Yunnan"],
  "54": ["西藏", "Tibet"],
  "61": ["陕西", "Shaanxi"],
  "62": ["甘肃", "Gansu"],
  "63": ["青海", "Qinghai"],
  "64": ["宁夏", "Ningxia"],
  "65": ["新疆", "Xinjiang"],
  "71": ["台湾", "Taiwan"],
  "81": ["香港", "Hong Kong"],
  "82": ["澳门", "Macao"],
};

const PREFECTURES: Record<string, [zh: string, en: string]> = {
  "5301": ["昆明", "Kunming"],
  "5303": ["曲靖", "Qujing"],
  "5304": ["玉溪", "Yuxi"],
  "5305": ["保山", "Baoshan"],
  "5306": ["昭通", "Zhaotong"],
  "5307": ["丽江", "Lijiang"],
  "5308": ["普洱", "Pu'er"],
  "5309": ["临沧", "Lincang"],
  "5323": ["楚雄", "Chuxiong"],
  "5325": ["红河", "Honghe"],
  "5326": ["文山", "Wenshan"],
  "5328": ["西双版纳", "Xishuangbanna"],
  "5329": ["大理", "Dali"],
  "5331": ["德宏", "Dehong"],
  "5333": ["怒江", "Nujiang"],
  "5334": ["迪庆", "Diqing"],
};

/** The name of the narrowest division that is known by name; an unknown code is its own name. */
export function regionName(code: string, language: Language): string {
  const i = language === "zh" ? 0 : 1;
  const prefecture = PREFECTURES[code.slice(0, 4)];
  if (prefecture) return prefecture[i];
  const province = PROVINCES[code.slice(0, 2)];
  if (!province) return code;
  const rest = code.slice(2);
  return rest === "" || /^0+$/.test(rest) ? province[i] : `${province[i]} ${code}`;
}

/** Codes of the prefectures known by name in a province. */
export function prefecturesOf(province: string): string[] {
  return Object.keys(PREFECTURES).filter((code) => code.startsWith(province));
}

export function isProvince(code: string): boolean {
  return code in PROVINCES;
}

export const PROVINCE_CODES: readonly string[] = Object.keys(PROVINCES);
