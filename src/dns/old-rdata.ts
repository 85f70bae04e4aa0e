import { nameField, numberField, type RdataField } from './rdata-fields.ts';

/**
 * Types that have no text form here, whose names others may compress (RFC 1035 3.3, RFC 3597 4): as octets that are
 * passed on, a pointer into the message that they came in would lead anywhere.
 */
const NAME = nameField('name', true);
const NUMBER = numberField('number', 2);
const FIELDS: Readonly<Record<number, readonly RdataField[]>> = {
  // MD, MF, MB, MG, MR.
  ...{ 3: [NAME], 4: [NAME], 7: [NAME], 8: [NAME], 9: [NAME] },
  // MINFO.
  14: [NAME, NAME],
  // AFSDB, RT, PX.
  ...{ 18: [NUMBER, NAME], 21: [NUMBER, NAME], 26: [NUMBER, NAME, NAME] },
};

export const oldFields = (type: number): readonly RdataField[] => FIELDS[type] ?? [];
