/**
 * ISO 3166-2 codes for the names that flat databases use, in the countries that people steer by state.
 * Other countries' subdivisions stay unknown; such databases give coordinates for each city anyway.
 */

/** The part of the ISO 3166-2 code after the dash; undefined when the name is not known. */
export function subdivisionCode(country: string, name: string): string | undefined {
  if (/^[A-Z0-9]{1,3}$/.test(name)) return name;
  if (!Object.hasOwn(NAMES, country)) return undefined;
  return codes().get(`${country}:${fold(name)}`);
}

const NAMES: Readonly<Record<string, string>> = {
  US: `AL Alabama, AK Alaska, AZ Arizona, AR Arkansas, CA California, CO Colorado, CT Connecticut,
    DE Delaware, DC District of Columbia, DC Washington D.C., FL Florida, GA Georgia, HI Hawaii, ID Idaho,
    IL Illinois, IN Indiana, IA Iowa, KS Kansas, KY Kentucky, LA Louisiana, ME Maine, MD Maryland,
    MA Massachusetts, MI Michigan, MN Minnesota, MS Mississippi, MO Missouri, MT Montana, NE Nebraska,
    NV Nevada, NH New Hampshire, NJ New Jersey, NM New Mexico, NY New York, NC North Carolina,
    ND North Dakota, OH Ohio, OK Oklahoma, OR Oregon, PA Pennsylvania, RI Rhode Island, SC South Carolina,
    SD South Dakota, TN Tennessee, TX Texas, UT Utah, VT Vermont, VA Virginia, WA Washington,
    WV West Virginia, WI Wisconsin, WY Wyoming`,
  CA: `AB Alberta, BC British Columbia, MB Manitoba, NB New Brunswick, NL Newfoundland and Labrador,
    NS Nova Scotia, NT Northwest Territories, NU Nunavut, ON Ontario, PE Prince Edward Island, QC Quebec,
    SK Saskatchewan, YT Yukon`,
  AU: `ACT Australian Capital Territory, NSW New South Wales, NT Northern Territory, QLD Queensland,
    SA South Australia, TAS Tasmania, VIC Victoria, WA Western Australia`,
  GB: 'ENG England, NIR Northern Ireland, SCT Scotland, WLS Wales',
  DE: `BW Baden-Wurttemberg, BY Bavaria, BE Berlin, BE Land Berlin, BE State of Berlin, BB Brandenburg,
    HB Bremen, HB Free Hanseatic City of Bremen, HH Hamburg, HE Hesse, MV Mecklenburg-Vorpommern,
    NI Lower Saxony, NW North Rhine-Westphalia, RP Rhineland-Palatinate, RP Rheinland-Pfalz, SL Saarland,
    SN Saxony, ST Saxony-Anhalt, SH Schleswig-Holstein, TH Thuringia`,
  BR: `AC Acre, AL Alagoas, AP Amapa, AM Amazonas, BA Bahia, CE Ceara, DF Federal District,
    ES Espirito Santo, GO Goias, MA Maranhao, MT Mato Grosso, MS Mato Grosso do Sul, MG Minas Gerais,
    PA Para, PB Paraiba, PR Parana, PE Pernambuco, PI Piaui, RJ Rio de Janeiro, RN Rio Grande do Norte,
    RS Rio Grande do Sul, RO Rondonia, RR Roraima, SC Santa Catarina, SP Sao Paulo, SE Sergipe, TO Tocantins`,
  IN: `AN Andaman and Nicobar, AP Andhra Pradesh, AR Arunachal Pradesh, AS Assam, BR Bihar, CH Chandigarh,
    CG Chhattisgarh, DL Delhi, DL National Capital Territory of Delhi, GA Goa, GJ Gujarat, HR Haryana,
    HP Himachal Pradesh, JK Jammu and Kashmir, JH Jharkhand, KA Karnataka, KL Kerala, MP Madhya Pradesh,
    MH Maharashtra, MN Manipur, ML Meghalaya, MZ Mizoram, NL Nagaland, OD Odisha, PY Puducherry, PB Punjab,
    RJ Rajasthan, SK Sikkim, TN Tamil Nadu, TS Telangana, TR Tripura, UP Uttar Pradesh, UK Uttarakhand,
    WB West Bengal`,
};

let built: ReadonlyMap<string, string> | undefined;

function codes(): ReadonlyMap<string, string> {
  if (built) return built;
  const map = new Map<string, string>();
  for (const [country, list] of Object.entries(NAMES)) {
    for (const entry of list.split(',')) {
      const [, code, name] = /^\s*(\S+)\s+(\S.*?)\s*$/.exec(entry)!;
      map.set(`${country}:${fold(name!)}`, code!);
    }
  }
  built = map;
  return map;
}

/** Names are compared without accents, case, spaces and punctuation. */
function fold(name: string): string {
  return name
    .normalize('NFD')
    .toLowerCase()
    .replace(/[^a-z0-9]/g, '');
}
